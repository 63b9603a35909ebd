"""Convert a snapshot's chunks for the other engine, and convert back the rows read from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from edms_tasks.chunks.stored_anew import stored_anew
from edms_tasks.conversion.compatibility import conversions
from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.conversion.table_splitting import split_documents
from edms_tasks.digests.table_state import parquet
from edms_tasks.inventory.model import ROW_ID, Table
from edms_tasks.manifest import TableEntry
from edms_tasks.proof.block_hash import hash_table
from edms_tasks.proof.table_proof import own_columns
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, Workspace, column_types, types_of_rows


def converted_entry(pair: TablePair) -> TableEntry:
    """A table's entry for loading into the other engine: its columns there, encoded as `write_converted` writes them."""
    unread = dict.fromkeys(pair.entry.encodings, "VARCHAR")
    # The target computes generated columns itself.
    encodings = {
        column.name: column.converted_form.encoding for column in conversions(pair, unread) if not column.computed
    }
    return pair.entry.model_copy(update={"table": pair.converted_table(), "encodings": encodings})


def write_converted(cursor: duckdb.DuckDBPyConnection, pair: TablePair, chunk: Path, path: Path) -> None:
    """Convert one chunk for the other engine and write it to `path`.

    Every row must be compatible: run `compatibility.assess_table` first.
    """
    source = parquet([chunk])
    made = [
        f"{column.convert(identifier(column.name))} AS {identifier(column.name)}"
        for column in conversions(pair, column_types(cursor, source))
    ]
    _write(cursor, f"SELECT {', '.join(made)} FROM {source}", path)


def converted_back(
    cursor: duckdb.DuckDBPyConnection, pair: TablePair, raw: RawTable, like: Path, folder: Path
) -> RawTable:
    """Convert rows that were read from the other engine back into the snapshot's form; removes the files of `raw`.

    Args:
        cursor: a cursor of the run's workspace.
        pair: the table in the snapshot and in the other engine.
        raw: the rows as read from the other engine.
        like: a chunk of the snapshot; the converted columns get its types.
        folder: where to write; created.
    """
    if not raw.files:
        return RawTable(pair.entry.table.id, raw.rows, pair.entry.encodings, ())
    folder.mkdir(parents=True, exist_ok=True)
    wanted = column_types(cursor, parquet([like]))
    read = types_of_rows(cursor, pair.target, raw)
    expressions = []
    for column in conversions(pair, wanted):
        form = Form(raw.encodings[column.name], read[column.name])
        expressions.append(f"{column.convert_back(identifier(column.name), form)} AS {identifier(column.name)}")
    files = []
    for number, file in enumerate(split_documents(cursor, pair, raw.files)):
        files.append(folder / f"{number:06d}.parquet")
        _write(cursor, f"SELECT {', '.join(expressions)} FROM {parquet([file])}", files[-1])
        file.unlink()
    return replace(raw, table_id=pair.entry.table.id, encodings=pair.entry.encodings, files=tuple(files))


def expected_entry(
    workspace: Workspace,
    repository: Repository,
    pair: TablePair,
    files: Sequence[Path],
    respelled: Collection[str],
    folder: Path,
) -> TableEntry:
    """The entry that the restored table must equal: the snapshot's, with respelled values as the other engine writes them.

    Args:
        workspace: where to compute.
        repository: takes the chunks with respelled values; not the repository of the snapshot.
        pair: the table in the snapshot and in the other engine.
        files: the table's chunks, or pieces of them.
        respelled: columns with values that are restored in another spelling.
        folder: for temporary files; created.
    """
    table = pair.table.model_copy(update={"row_ids": False})  # PostgreSQL does not have SQLite's hidden row ids
    lost = sorted(pair.left_out & {column.name for column in pair.entry.table.columns})
    if not files or not (respelled or pair.entry.table.row_ids or lost):
        return _without_rows(pair.entry, table) if lost else pair.entry
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with workspace.cursor() as cursor:
        for number, file in enumerate(files):
            source = parquet([file])
            columns = {column.name: column for column in conversions(pair, column_types(cursor, source))}
            put = ", ".join(
                f"{columns[name].expected(identifier(name))} AS {identifier(name)}" for name in sorted(respelled)
            )
            dropped = ", ".join(identifier(name) for name in (*([ROW_ID] if pair.entry.table.row_ids else []), *lost))
            excluded = f" EXCLUDE ({dropped})" if dropped else ""
            written.append(folder / f"{number:06d}.parquet")
            _write(cursor, f"SELECT *{excluded}{f' REPLACE ({put})' if put else ''} FROM {source}", written[-1])
    raw = RawTable(table.id, pair.entry.state.rows, pair.entry.encodings, tuple(written))
    expected = stored_anew(workspace, repository, pair.entry.model_copy(update={"table": table}), raw, folder)
    for path in written:
        path.unlink()
    return expected


def _without_rows(entry: TableEntry, table: Table) -> TableEntry:
    """The entry of a table without rows that has fewer columns."""
    proof = hash_table([], own_columns(table)) if entry.state.proof else entry.state.proof
    return entry.model_copy(update={"table": table, "state": entry.state.model_copy(update={"proof": proof})})


def _write(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
