"""What a run leaves in Prefect: artifacts."""
