"""The tables of a merge: those of the snapshot, which the target must have with the same columns and be able to write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.errors import MergeRefused
from edms_tasks.identifying.snapshot_rows import mergeable
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Manifest
from edms_tasks.merging.derived_tables import without_derived
from edms_tasks.merging.later_declarations import tables_as_declared
from edms_tasks.settings import Settings


def common_tables(
    settings: Settings, database: Database, manifest: Manifest, scratch: Path, notes: list[str]
) -> list[Table]:
    """The tables of a snapshot that are merged into a database, as both have them. Adds to `notes`.

    Raises:
        MergeRefused: the two differ in their tables, or a merge cannot write to one.
    """
    with database.view(scratch, 1) as view:
        virtual = [finding.subject for finding in view.findings() if finding.code == "virtual-table"]
        _require_known_models(manifest, view.tables(), database)
        view.read_like(manifest.tables)
        described = tables_as_declared(manifest, settings.soft_references, notes)
        tables, problems, more = mergeable(manifest, view.tables(), virtual, described)
        closed = view.closed_to_merges()
    notes += more
    _require_open(database, tables, closed)
    if problems:
        raise MergeRefused(
            "The target's tables differ from those of the snapshot.",
            where=database.address.display,
            why=_few(problems),
            fix="Bring both to the same version first: restore the snapshot with --into, run the EDMS's migrations on that copy, back "
            "it up, and merge that snapshot.",
        )
    others = {name for table in described.values() for name in (table.label, table.id)} | {*virtual}
    return without_derived(tables, settings.derived.tables, settings.derived.rebuild, others, notes)


def _require_known_models(manifest: Manifest, present: Sequence[Table], database: Database) -> None:
    """Refuse a snapshot of an earlier release that did not find the models' tables: it knows neither keys nor generic references."""
    ids = {(table.schema_name, table.name): table.id for table in present}
    named = [entry.table for entry in manifest.tables]
    renamed = [table.id for table in named if ids.get((table.schema_name, table.name), table.id) != table.id]
    if renamed and any(finding.code == "model-without-table" for finding in manifest.findings):
        raise MergeRefused(
            "The snapshot does not say which models its tables belong to.",
            where=database.address.display,
            why=f"An earlier release looked for the tables of models in the first schema of the search path only. {_few(renamed)}",
            fix="Nothing was changed. Restore the snapshot with --into, back that copy up, and merge the new snapshot.",
        )


def _require_open(database: Database, tables: Sequence[Table], closed: Mapping[str, str]) -> None:
    found = [f"{table.label} ({table.name}): {closed[table.id]}" for table in tables if table.id in closed]
    if found:
        raise MergeRefused(
            "A merge cannot write to tables that need the EDMS's own functions or collations.",
            where=database.address.display,
            why=_few(found),
            fix="Nothing was changed. Remove these constraints, generated columns or indexes with a migration, merge, and create them "
            "again with the next one. A whole restore (`edms-backup restore`) needs none of this.",
        )


def _few(problems: Sequence[str]) -> str:
    return "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
