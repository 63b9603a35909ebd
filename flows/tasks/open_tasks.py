"""Open: find the snapshot that a name means."""

from __future__ import annotations

from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.salvage import open_snapshot
from flows.running.flow_decorators import task

open_the_snapshot = task(name="open snapshot", tags=["open"], task_run_name="open snapshot {name}")(chosen_snapshot)

open_a_damaged_snapshot = task(name="open snapshot", tags=["open"], task_run_name="open snapshot {name}")(open_snapshot)
