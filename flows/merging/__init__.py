"""The parts of a merge: its options, its inputs, its stages and its files."""
