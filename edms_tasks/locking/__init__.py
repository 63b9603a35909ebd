"""Lock files, and who holds a lock."""
