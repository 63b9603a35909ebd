"""Identify the rows of two systems by natural key. Merge and diff share this."""
