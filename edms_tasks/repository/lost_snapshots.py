"""Snapshots that a repository lacks, as far as that can be told without its keys, and with little reading.

What else knows of a snapshot: an earlier copy, the signature of the one after it, the record of an EDMS's newest one, an entry of the
log. All of these are written after it. A snapshot that a prune removed, or that somebody gave up, is in a record that says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from pydantic import ValidationError

from edms_tasks.repository.audit_log import LogEntry
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.records import Record
from edms_tasks.repository.signatures import SnapshotSignature
from edms_tasks.repository.survey import newest_snapshots

_LARGEST = 64 * 1024 * 1024


def lost_snapshots(
    source: Backend, copied_before: Iterable[str], copied_now: Iterable[str], new_entries: Iterable[str]
) -> list[str]:
    """A sentence for each snapshot that is gone although nothing says that it was removed.

    Args:
        source: the repository.
        copied_before: ids of the snapshots in an earlier copy.
        copied_now: ids of those that were added to it.
        new_entries: names of the log's entries that no earlier copy had.
    """
    known = {
        **dict.fromkeys(_of_backups(source, new_entries), "the log says that it was made"),
        **_predecessors(source, copied_now),
        **dict.fromkeys(newest_snapshots(source), "the repository's own record names it as the newest of its EDMS"),
        **dict.fromkeys(copied_before, "an earlier copy has it"),
    }
    there = {PurePosixPath(name).stem for name, _ in source.names("snapshots")}
    missing = {name: why for name, why in known.items() if name not in there}
    removed = _removed(source) if missing else frozenset[str]()
    return [
        f"Snapshot {name[:12]} is gone from the source: {why}, and no record says that a prune removed it."
        for name, why in sorted(missing.items())
        if name not in removed
    ]


def _of_backups(source: Backend, names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        try:
            entry = LogEntry.model_validate_json(source.read(name, _LARGEST))
        except (FileNotFoundError, ValidationError):
            continue  # `edms-backup log` says what is wrong with it
        if entry.event == "backup" and entry.snapshot is not None:
            found.append(entry.snapshot)
    return found


def _predecessors(source: Backend, snapshots: Iterable[str]) -> dict[str, str]:
    """The snapshot that each names in its signature as the one before it; none where snapshots are not signed."""
    found = {}
    for name in snapshots:
        try:
            said = SnapshotSignature.model_validate_json(source.read(f"signatures/{name}.json", _LARGEST))
        except (FileNotFoundError, ValidationError):
            continue
        if said.previous is not None:
            found[said.previous] = f"{name[:12]} names it as its predecessor"
    return found


def _removed(source: Backend) -> frozenset[str]:
    """The snapshots that records say were removed, or never there. Whose records count, only the keys tell: `verify --chain`."""
    found: set[str] = set()
    for name, _ in source.names("records"):
        try:
            record = Record.model_validate_json(source.read(name, _LARGEST))
        except (FileNotFoundError, ValidationError):
            continue
        if record.kind in ("prune", "pruned"):
            found |= {snapshot.id for snapshot in record.snapshots}
        if record.kind == "elsewhere":
            found |= {snapshot.previous for snapshot in record.snapshots if snapshot.previous is not None}
    return frozenset(found)
