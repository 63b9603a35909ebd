"""Verification levels, and when each object was last read."""
