"""A run's temporary folder, its DuckDB workspace, and its limits on memory and disk."""
