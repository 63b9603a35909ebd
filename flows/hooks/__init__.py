"""Hooks: commands of the administrator around a verb, also if it fails, is stopped, or is killed."""
