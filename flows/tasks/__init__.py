"""The tasks of flows, one module for each stage."""
