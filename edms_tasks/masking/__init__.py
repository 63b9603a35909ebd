"""Copies without personal data: columns get pseudonyms on their way into a copy, and the whole copy is searched for what they were."""
