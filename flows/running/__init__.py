"""How a flow and its tasks run: on threads, or on Prefect."""
