"""The rows that a merge writes, as files for the database to load."""

from __future__ import annotations

from pathlib import Path

import duckdb

from edms_tasks.databases.merge_transaction import TableChange
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.merging.planning import Policy
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.merging.update_order import write_updates
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET


def table_change(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    rows: Rewritten,
    policy: Policy,
    folder: Path,
    others: Path | None = None,
    *,
    target: Identified,
    plain: bool,
) -> TableChange | None:
    """Write the rows to insert and to update into `folder`, which is created; returns None if there are none.

    `others` is a file with further rows of the target to update: nodes of a tree whose numbers change. `target`: the target's rows.
    `plain`: whether these are as they are in the database, and not without positions in a tree or derived columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(identifier(column.name) for column in source.table.stored_columns)
    inserts: list[Path] = []
    updates: list[Path] = []
    if rows.inserts:
        inserts.append(folder / "insert.parquet")
        cursor.execute(
            f"COPY (SELECT {columns} FROM {rows.relation} r WHERE r.\"{ACTION}\" = 'insert') "
            f"TO {literal(str(inserts[0]))} {AS_PARQUET}"
        )
    if rows.updates and policy == "overwrite":
        updates += write_updates(cursor, source, target, rows, folder, plain=plain)
    if others is not None:
        updates.append(others)
    if not inserts and not updates:
        return None
    encodings = dict(source.side.raws[source.table.id].encodings)
    return TableChange(source.table, encodings, inserts, updates)
