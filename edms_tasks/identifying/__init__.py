"""Rows of two systems, identified by natural key: what merge and diff share."""
