"""Traits that only SQLite has; otherwise like `traits`."""
