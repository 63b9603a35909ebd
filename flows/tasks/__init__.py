"""The tasks that flows chain, a module for each stage."""
