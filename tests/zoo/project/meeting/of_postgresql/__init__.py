"""Traits that only PostgreSQL has; otherwise like `traits`."""
