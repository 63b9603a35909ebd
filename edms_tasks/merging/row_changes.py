"""The rows that a merge writes, as files for the database to load."""

from __future__ import annotations

from pathlib import Path

import duckdb

from edms_tasks.databases.protocol import TableChange
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.merging.planning import Policy
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.merging.update_order import in_turns
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
) -> TableChange | None:
    """Write the rows to insert and to update into `folder`, which is created; returns None if there are none.

    `others` is a file with further rows of the target to update: nodes of a tree whose numbers change. `target`: the target's rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(identifier(column.name) for column in source.table.stored_columns)
    files: dict[str, list[Path]] = {"insert": [], "update": []}
    wanted = [("insert", f"r.\"{ACTION}\" = 'insert'")] if rows.inserts else []
    if rows.updates and policy == "overwrite":
        wanted += [("update", condition) for condition in in_turns(cursor, source, target, rows)]
    for number, (action, condition) in enumerate(wanted):
        path = folder / f"{action}-{number}.parquet"
        cursor.execute(
            f"COPY (SELECT {columns} FROM {rows.relation} r WHERE {condition}) TO {literal(str(path))} {AS_PARQUET}"
        )
        files[action].append(path)
    if others is not None:
        files["update"].append(others)
    if not files["insert"] and not files["update"]:
        return None
    encodings = dict(source.side.raws[source.table.id].encodings)
    return TableChange(source.table, encodings, files["insert"], files["update"])
