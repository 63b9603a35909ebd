"""The parts of a diff."""
