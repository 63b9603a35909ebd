"""The traits that both engines know."""
