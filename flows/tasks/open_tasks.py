"""Open: find the snapshot that a name means, and keep it from being pruned while it is read."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack

from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.repository import Repository
from edms_tasks.repository.reader_leases import reading
from edms_tasks.salvage import open_snapshot
from flows.running.flow_decorators import task

open_the_snapshot = task(name="open snapshot", tags=["open"], task_run_name="open snapshot {name}")(chosen_snapshot)

open_a_damaged_snapshot = task(name="open snapshot", tags=["open"], task_run_name="open snapshot {name}")(open_snapshot)


def keep_while_reading(
    repository: Repository, snapshots: Collection[str], purpose: str, cleanup: ExitStack
) -> tuple[str, ...]:
    """Keep prunes from removing these snapshots until `cleanup` ends; returns a note if that is not possible.

    Raises:
        UnknownSnapshot: a prune has just removed one of them.
    """
    why = cleanup.enter_context(reading(repository.backend, snapshots, purpose))
    return (
        (f"A prune at the same time could remove what is read here, as nothing can be written there: {why}",)
        if why
        else ()
    )
