"""The folder of a run, and its limits on memory and disk."""
