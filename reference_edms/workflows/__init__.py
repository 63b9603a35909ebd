"""The states a document passes through, and each step it took."""
