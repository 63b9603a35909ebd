"""The tests; their shared parts live in files named for what they provide."""
