"""Digests: the canonical text of values, and what a table holds."""
