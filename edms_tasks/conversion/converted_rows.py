"""Convert a snapshot's chunks for the other engine, and convert back the rows read from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from edms_tasks.conversion.compatibility import conversions
from edms_tasks.conversion.conversion_types import Form
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.conversion.table_splitting import split_documents
from edms_tasks.digests.table_state import parquet, state_of_chunks
from edms_tasks.manifest import Chunk, TableEntry
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, Workspace, column_types, relation


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
    read = column_types(cursor, relation(pair.target, raw))
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
    entry = _without_row_ids(workspace, pair.entry, files)
    if not respelled:
        return entry
    folder.mkdir(parents=True, exist_ok=True)
    made, written = [], []
    with workspace.cursor() as cursor:
        for number, file in enumerate(files):
            source = parquet([file])
            columns = {column.name: column for column in conversions(pair, column_types(cursor, source))}
            put = ", ".join(
                f"{columns[name].expected(identifier(name))} AS {identifier(name)}" for name in sorted(respelled)
            )
            written.append(folder / f"{number:06d}.parquet")
            _write(cursor, f"SELECT * REPLACE ({put}) FROM {source}", written[-1])
    for path in written:
        part = state_of_chunks(workspace, entry.table, entry.natural_key, [path])
        made.append(
            Chunk(
                object=repository.put_file(path),
                rows=part.rows,
                exact_digest=part.exact_digest,
                content_digest=part.content_digest,
            )
        )
    whole = state_of_chunks(workspace, entry.table, entry.natural_key, written)
    state = entry.state.model_copy(update={"exact_digest": whole.exact_digest, "content_digest": whole.content_digest})
    for path in written:
        path.unlink()
    return entry.model_copy(update={"state": state, "chunks": tuple(made)})


def _without_row_ids(workspace: Workspace, entry: TableEntry, files: Sequence[Path]) -> TableEntry:
    """The entry without SQLite's hidden row ids, which PostgreSQL does not have."""
    if not entry.table.row_ids:
        return entry
    table = entry.table.model_copy(update={"row_ids": False})
    found = state_of_chunks(workspace, table, entry.natural_key, files)
    state = entry.state.model_copy(update={"exact_digest": found.exact_digest})
    return entry.model_copy(update={"table": table, "state": state})


def _write(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
