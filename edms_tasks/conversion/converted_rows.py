"""Convert a snapshot's chunks for the other engine, and convert back the rows read from it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from edms_tasks.conversion.compatibility import conversions
from edms_tasks.conversion.forms import Form
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.digests.table_state import parquet, state_of_chunks
from edms_tasks.manifest import Chunk, TableEntry
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, Workspace, column_types, relation


def moved_entry(pair: TablePair) -> TableEntry:
    """The entry as it is loaded there: the table's own columns, encoded as `write_moved` writes them."""
    unread = dict.fromkeys(pair.entry.encodings, "VARCHAR")
    # What each engine computes in its own way is left to the one that it is loaded into.
    encodings = {way.name: way.form_there.encoding for way in conversions(pair, unread) if not way.computed}
    return pair.entry.model_copy(update={"table": pair.moved(), "encodings": encodings})


def write_moved(cursor: duckdb.DuckDBPyConnection, pair: TablePair, chunk: Path, path: Path) -> None:
    """Write one chunk as the other engine takes it; every row must fit (`compatibility.assess_table`)."""
    source = parquet([chunk])
    made = [
        f"{way.there(identifier(way.name))} AS {identifier(way.name)}"
        for way in conversions(pair, column_types(cursor, source))
    ]
    _write(cursor, f"SELECT {', '.join(made)} FROM {source}", path)


def brought_back(
    cursor: duckdb.DuckDBPyConnection, pair: TablePair, raw: RawTable, like: Path, folder: Path
) -> RawTable:
    """Rows that were read from the other engine, in the snapshot's own form; their files are removed.

    Args:
        cursor: where to compute.
        pair: the table.
        raw: the rows as they were read there.
        like: a chunk of the snapshot; its columns have the types to come back to.
        folder: where to write; created.
    """
    if not raw.files:
        return RawTable(pair.entry.table.id, raw.rows, pair.entry.encodings, ())
    folder.mkdir(parents=True, exist_ok=True)
    held = column_types(cursor, parquet([like]))
    read = column_types(cursor, relation(pair.target, raw))
    files = []
    for number, file in enumerate(raw.files):
        made = [
            f"{way.back(identifier(way.name), Form(raw.encodings[way.name], read[way.name]))} AS {identifier(way.name)}"
            for way in conversions(pair, held)
        ]
        files.append(folder / f"{number:06d}.parquet")
        _write(cursor, f"SELECT {', '.join(made)} FROM {parquet([file])}", files[-1])
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
    """The entry that must come back: the snapshot's own, but for columns whose values come back in another spelling.

    Args:
        workspace: where to compute.
        repository: where chunks with such columns are put; not the repository the snapshot is in.
        pair: the table.
        files: its chunks.
        respelled: the columns.
        folder: where to write meanwhile; created.
    """
    entry = _without_row_ids(workspace, pair.entry, files)
    if not respelled:
        return entry
    folder.mkdir(parents=True, exist_ok=True)
    made, written = [], []
    with workspace.cursor() as cursor:
        for number, file in enumerate(files):
            source = parquet([file])
            ways = {way.name: way for way in conversions(pair, column_types(cursor, source))}
            put = ", ".join(
                f"{ways[name].expected(identifier(name))} AS {identifier(name)}" for name in sorted(respelled)
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
    """The other engine numbers no rows beside their keys."""
    if not entry.table.row_ids:
        return entry
    table = entry.table.model_copy(update={"row_ids": False})
    found = state_of_chunks(workspace, table, entry.natural_key, files)
    state = entry.state.model_copy(update={"exact_digest": found.exact_digest})
    return entry.model_copy(update={"table": table, "state": state})


def _write(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    cursor.execute(f"COPY ({query}) TO {literal(str(path))} {AS_PARQUET}")
