"""The traits that only PostgreSQL has; otherwise like `zoo`."""
