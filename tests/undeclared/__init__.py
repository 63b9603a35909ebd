"""Ids that nobody declared."""
