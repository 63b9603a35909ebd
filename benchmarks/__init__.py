"""Benchmarks: our backup and restore beside the peers', on the same machine, in the same run."""
