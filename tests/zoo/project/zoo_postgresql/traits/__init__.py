"""The traits that only PostgreSQL has."""
