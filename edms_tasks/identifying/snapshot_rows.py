"""The rows of a snapshot as raw rows, as if they had been read from a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.model import ROW_ID, Table
from edms_tasks.inventory.search_indexes import belongs_to_an_index
from edms_tasks.manifest import Manifest, TableEntry
from edms_tasks.quoting import identifiers, literal
from edms_tasks.repository import Repository
from edms_tasks.restore import holds_its_rows
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, Workspace, column_types

# Tables about the database itself: the snapshot does not decide which migrations were run in the target.
_BOOKKEEPING = {"django_migrations"}


def snapshot_rows(repository: Repository, entry: TableEntry, workspace: Workspace, folder: Path) -> RawTable:
    """Fetch a table's chunks, verified, and write only its own columns into `folder` (created).

    Raises:
        DamagedRepository: an object is missing or altered.
        CheckFailed: the rows do not match the count and digests in the manifest.
    """
    table = entry.table
    paths = fetch_chunks(repository, entry, folder)
    if not paths:
        return RawTable(table.id, 0, dict(entry.encodings), ())
    rows = folder / "rows.parquet"
    source = f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], union_by_name = true)"
    with workspace.cursor() as cursor:
        there = column_types(cursor, source) if table.found_columns else {}
        found = [name for name in table.found_columns if name in there]
        row_id = [ROW_ID] if table.row_ids else []
        columns = identifiers([*(column.name for column in table.columns), *row_id, *found])
        cursor.execute(f"COPY (SELECT {columns} FROM {source}) TO {literal(str(rows))} {AS_PARQUET}")
    for path in paths:
        path.unlink()
    raw = RawTable(table.id, entry.state.rows, dict(entry.encodings), (rows,))
    if not holds_its_rows(entry, raw, workspace):
        raise CheckFailed(
            f"{table.label}: the snapshot's rows do not match its manifest.",
            where=table.id,
            fix="Run `edms-backup verify` on the snapshot, and use another one.",
        )
    return raw


def mergeable(
    manifest: Manifest, present: Sequence[Table], virtual: Sequence[str], described: Mapping[str, Table] | None = None
) -> tuple[list[Table], list[str], list[str]]:
    """The tables to merge, the reasons why the snapshot cannot be merged, and notes.

    Args:
        manifest: the snapshot's.
        present: the target's catalogue.
        virtual: names of the target's virtual tables (SQLite), which are rebuilt and not merged.
        described: the snapshot's tables with later declarations; None: as the snapshot has them.
    """
    there = {table.id: table for table in present}
    tables, problems, notes = [], [], []
    for entry in manifest.tables:
        table, now = (described or {}).get(entry.table.id, entry.table), there.get(entry.table.id)
        if table.id in _BOOKKEEPING:
            continue
        if belongs_to_an_index(table.id, table.model, virtual):
            notes.append(f"{table.id} belongs to a search index and was left alone: rebuild the index in the EDMS.")
            continue
        if table.extension is not None:
            notes.append(f"{table.id} is configuration of the extension {table.extension} and was left alone.")
            continue
        if now is None:
            if entry.state.rows:
                problems.append(f"{table.label}: the table {table.id} is not in the target ({entry.state.rows} rows)")
            continue
        problems += _differences(table, now)
        of_the_target = ("unique_keys", "unique_rules", "deferred_uniques", "computed")
        tables.append(table.model_copy(update={name: getattr(now, name) for name in of_the_target}))
    return tables, problems, notes


def _differences(table: Table, now: Table) -> list[str]:
    was = {column.name: column.native_type for column in table.columns}
    found = {column.name: column.native_type for column in now.columns}
    problems = [f"{table.label}: the target has no column {name}" for name in sorted(was.keys() - found.keys())]
    problems += [f"{table.label}: the snapshot has no column {name}" for name in sorted(found.keys() - was.keys())]
    problems += [
        f"{table.label}: {name} is {found[name]} in the target and {was[name]} in the snapshot"
        for name in sorted(was.keys() & found.keys())
        if was[name] != found[name]
    ]
    if table.primary_key != now.primary_key:
        problems.append(f"{table.label}: the primary key differs")
    return problems
