"""Open the snapshot to salvage: its manifest and native schema must be intact. Otherwise the error names alternatives."""

from __future__ import annotations

from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.lineage.find_snapshot import chosen_snapshot
from edms_tasks.lineage.snapshot_names import Chosen
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings

_NAMED = 5


def open_snapshot(settings: Settings, repository: Repository, name: str, report: ProbeReport | None) -> Chosen:
    """The snapshot that a name stands for; see `chosen_snapshot`.

    Raises:
        DamagedRepository: the manifest is damaged, so the contents of the snapshot are unknown. Names other snapshots.
        UnknownSnapshot: no snapshot matches the name.
    """
    try:
        return chosen_snapshot(settings, repository, name, report)
    except DamagedRepository as error:
        others = [_said(other, repository.read_manifest(other)) for other in reversed(repository.snapshots())]
        raise DamagedRepository(
            f"{error.what} Without it nothing of the snapshot can be salvaged.",
            where=error.where,
            why=error.why,
            fix=f"Restore another snapshot: {_some(others)}." if others else "No readable snapshot is left.",
        ) from error


def require_schema(repository: Repository, snapshot_id: str, manifest: Manifest) -> None:
    """Require that the native schema is intact: without it there are no tables to load rows into.

    Raises:
        DamagedRepository: it is lost. Names snapshots with the same tables and migrations whose schema is intact.
    """
    try:
        repository.check(manifest.native_schema.object)
    except DamagedRepository as error:
        alike = [
            _said(other, found)
            for other in reversed(repository.snapshots())
            if other != snapshot_id and _is_alike(manifest, found := repository.read_manifest(other))
            if _is_whole(repository, found)
        ]
        offer = f"Restore a snapshot with the same tables and migrations: {_some(alike)}. " if alike else ""
        raise DamagedRepository(
            "The schema of the snapshot is lost. No table can be created without it.",
            where=error.where,
            why=error.why,
            fix=f"{offer}Rows and files are still in the repository. docs/format.md says how to read them by hand.",
        ) from error


def _is_alike(manifest: Manifest, other: Manifest) -> bool:
    """Whether another snapshot has the same tables and migrations."""
    tables, others = (
        {entry.table.id: entry.table.model_copy(update={"key_candidates": ()}) for entry in one.tables}
        for one in (manifest, other)
    )
    applied, also = (set(one.edms.migrations_applied) for one in (manifest, other))
    return (manifest.engine, tables, applied) == (other.engine, others, also)


def _is_whole(repository: Repository, manifest: Manifest) -> bool:
    try:
        repository.check(manifest.native_schema.object)
    except DamagedRepository:
        return False  # it has nothing to offer either
    return True


def _said(snapshot_id: str, manifest: Manifest) -> str:
    tag = f", tag {manifest.tag}" if manifest.tag else ""
    return f"{snapshot_id[:12]} ({manifest.created:%Y-%m-%d %H:%M} UTC{tag})"


def _some(names: list[str]) -> str:
    more = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
