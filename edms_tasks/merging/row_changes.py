"""The rows that a merge writes, as files for the database to load."""

from __future__ import annotations

from pathlib import Path

import duckdb

from edms_tasks.databases.protocol import TableChange
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.merging.planning import Policy
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET


def table_change(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    rows: Rewritten,
    policy: Policy,
    folder: Path,
    others: Path | None = None,
) -> TableChange | None:
    """Write the rows to insert and to update into `folder`, which is created; returns None if there are none.

    `others` is a file with further rows of the target to update: nodes of a tree whose numbers change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(identifier(column.name) for column in source.table.stored_columns)
    files: dict[str, list[Path]] = {"insert": [], "update": []}
    for action, count in (("insert", rows.inserts), ("update", rows.updates if policy == "overwrite" else 0)):
        if count:
            path = folder / f"{action}.parquet"
            cursor.execute(
                f'COPY (SELECT {columns} FROM {rows.relation} WHERE "{ACTION}" = {literal(action)}) '
                f"TO {literal(str(path))} {AS_PARQUET}"
            )
            files[action].append(path)
    if others is not None:
        files["update"].append(others)
    if not files["insert"] and not files["update"]:
        return None
    encodings = dict(source.side.raws[source.table.id].encodings)
    return TableChange(source.table, encodings, files["insert"], files["update"])
