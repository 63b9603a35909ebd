"""Tests of the databases' room: every engine, every awkward value, there and back."""
