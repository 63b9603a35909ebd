"""Schema and default rows, step by step."""
