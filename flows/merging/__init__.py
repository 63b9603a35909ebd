"""The parts of a merge."""
