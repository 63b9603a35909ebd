"""The parts of a backup."""
