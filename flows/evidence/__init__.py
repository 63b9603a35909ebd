"""The evidence of runs: Prefect's artifacts, and the folder of reports."""
