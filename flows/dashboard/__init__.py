"""The dashboard: what the log and the snapshots say over time, as a static site that works offline."""
