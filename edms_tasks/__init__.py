"""edms_tasks."""
