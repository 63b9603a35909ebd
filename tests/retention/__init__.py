"""Retention: which snapshots go, holds, and pruning that may be killed at any moment."""
