"""Controlled documents and everything that hangs on them."""
