"""Digests: the canonical text and equality of values, and the digests of a table."""
