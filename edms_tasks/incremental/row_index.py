"""An index of where each row is stored, so that a later backup stores only new and changed rows.

A row is identified by its two hashes (256 bits together). The index of a table lists, for each row of a snapshot, the hashes
and the position: the chunk's number in the manifest and the row's number in the chunk. It is kept in the working folder and is
only a cache: it is used if its bytes are those that were written and its hashes add up to the digests in the manifest;
otherwise it is made again from the chunks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.digests.canonical import digest_hex
from edms_tasks.digests.table_state import HALVES, parquet, with_hash_halves
from edms_tasks.inventory.model import NaturalKey, Table
from edms_tasks.manifest import Encoding, TableEntry
from edms_tasks.quoting import identifier, literal

CHUNK = "@key:chunk"
ROW = "@key:row"
_SCHEMA = pa.schema([*((name, pa.uint64()) for name in HALVES), (CHUNK, pa.int32()), (ROW, pa.int32())])
_SMALL_CHUNKS = 8


@dataclass(frozen=True)
class StoredRows:
    """The stored rows of a table in the previous snapshot, with the position of each."""

    entry: TableEntry
    index: Path
    rewritten: frozenset[int]  # chunks to rewrite, because too few of their rows are still in use


def index_path(folder: Path, snapshot_id: str, table_id: str) -> Path:
    """The path of a table's index; its name is a hash, because a table's id may contain any character."""
    return folder / snapshot_id / f"{hashlib.sha256(table_id.encode()).hexdigest()[:32]}.parquet"


def comparable(entry: TableEntry, table: Table, key: NaturalKey | None, encodings: Mapping[str, Encoding]) -> bool:
    """Whether chunks of then and now have the same columns, hashed in the same way."""
    then, now = (t.model_copy(update={"key_candidates": ()}) for t in (entry.table, table))
    return then == now and entry.natural_key == key and entry.encodings == encodings and bool(table.primary_key)


def is_sound(cursor: duckdb.DuckDBPyConnection, entry: TableEntry, index: Path) -> bool:
    """Whether an index is the file that was written, has no row twice, and adds up to the digests in the manifest."""
    if kinds_of(index) is None:
        return False
    sums = ", ".join(f"sum({identifier(name)}) % 18446744073709551616" for name in HALVES)
    row = cursor.execute(
        # Two rows with equal 64 bits of their hashes count as one row twice; then all rows are stored again, which is harmless.
        f"SELECT count(*), count(DISTINCT {identifier(HALVES[1])}), max({identifier(CHUNK)}), {sums} FROM {parquet([index])}"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    rows, distinct, last, upper, lower, content_upper, content_lower = row
    if not (rows == distinct == entry.state.rows) or last >= len(entry.chunks):
        return False
    return (digest_hex(upper, lower), digest_hex(content_upper, content_lower)) == (
        entry.state.exact_digest,
        entry.state.content_digest,
    )


def seal(index: Path, kinds: Mapping[str, str]) -> None:
    """Write the hash of a finished index and the DuckDB types of its table's columns to a file beside it."""
    _seal_of(index).write_text(json.dumps({"sha256": _sha256(index), "kinds": dict(kinds)}), encoding="utf-8")


def kinds_of(index: Path) -> dict[str, str] | None:
    """The column types that an index was sealed with; None if it is not the file that was sealed.

    Equal hashes mean equal rows only if the types are equal: a number and the text of its digits have the same hash.
    """
    seal = _seal_of(index)
    if not (index.is_file() and seal.is_file()):
        return None
    try:
        noted = json.loads(seal.read_text(encoding="utf-8"))
    except ValueError:
        return None  # damaged, or of an earlier version, which did not record types
    if not isinstance(noted, dict) or noted.get("sha256") != _sha256(index):
        return None
    return dict(noted.get("kinds", {}))


def _seal_of(index: Path) -> Path:
    return index.with_suffix(".sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def index_chunks(cursor: duckdb.DuckDBPyConnection, entry: TableEntry, chunks: Sequence[Path], path: Path) -> None:
    """Make the index of a snapshot's table from its chunks, as they are stored: superseded rows included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    halves = ", ".join(map(identifier, HALVES))
    pieces = []
    for number, chunk in enumerate(chunks):
        source = f"(SELECT *, file_row_number AS {identifier(ROW)} FROM read_parquet({literal(str(chunk))}, file_row_number = true))"
        hashed = with_hash_halves(cursor, entry.table, entry.natural_key, source, also=(ROW,))
        place = f"{number}::INTEGER AS {identifier(CHUNK)}, CAST({identifier(ROW)} AS INTEGER) AS {identifier(ROW)}"
        pieces.append(f"SELECT {halves}, {place} FROM ({hashed})")
    cursor.execute(f"COPY ({' UNION ALL '.join(pieces)}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION snappy)")


def without(cursor: duckdb.DuckDBPyConnection, index: Path, superseded: Mapping[int, Path]) -> None:
    """Remove superseded rows (number of chunk -> Parquet file with row numbers) from an index made from chunks."""
    if not superseded:
        return
    gone = " UNION ALL ".join(
        f"SELECT {number}::INTEGER AS chunk, row FROM {parquet([path])}" for number, path in superseded.items()
    )
    kept = index.with_suffix(".kept")
    cursor.execute(
        f"COPY (SELECT i.* FROM {parquet([index])} i ANTI JOIN ({gone}) g ON i.{identifier(CHUNK)} = g.chunk "
        f"AND i.{identifier(ROW)} = g.row) TO {literal(str(kept))} (FORMAT parquet, COMPRESSION snappy)"
    )
    kept.replace(index)


def chunks_to_rewrite(entry: TableEntry, chunk_rows: int) -> frozenset[int]:
    """Numbers of chunks to rewrite: mostly superseded ones, and small ones if there are many.

    Otherwise a table that changes every day would end as thousands of small objects with mostly superseded rows.
    """
    live = [chunk.rows - chunk.superseded_rows for chunk in entry.chunks]
    sparse = {n for n, chunk in enumerate(entry.chunks) if chunk.superseded_rows * 2 > chunk.rows}
    small = {n for n, rows in enumerate(live) if rows * 4 < chunk_rows} - sparse
    return frozenset(sparse | (small if len(small) > _SMALL_CHUNKS else set()))


class IndexWriter:
    """Writes the index of a snapshot that is being made."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Hashes do not compress.
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="none", use_dictionary=False)

    def add(self, rows: pa.Table, chunk: int | None = None) -> None:
        """Add rows: with `chunk`, rows just written as that chunk, in this order; otherwise at the positions in their columns."""
        if chunk is not None:
            rows = rows.select(list(HALVES))
            rows = rows.append_column(CHUNK, pa.array(np.full(rows.num_rows, chunk, dtype=np.int32)))
            rows = rows.append_column(ROW, pa.array(np.arange(rows.num_rows, dtype=np.int32)))
        self._writer.write_table(rows.select(_SCHEMA.names).cast(_SCHEMA))

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def live_rows(cursor: duckdb.DuckDBPyConnection, index: Path) -> dict[int, int]:
    """Number of chunk -> number of its rows in the index."""
    counted = cursor.execute(f"SELECT {identifier(CHUNK)}, count(*) FROM {parquet([index])} GROUP BY 1").fetchall()
    return {int(chunk): int(rows) for chunk, rows in counted}


def superseded_rows(cursor: duckdb.DuckDBPyConnection, index: Path, chunk: int, rows: int) -> npt.NDArray[np.int32]:
    """The row numbers of a chunk of `rows` rows that are not in the index."""
    named = cursor.execute(
        f"SELECT {identifier(ROW)} FROM {parquet([index])} WHERE {identifier(CHUNK)} = {chunk}"
    ).fetchnumpy()[ROW]
    return np.setdiff1d(np.arange(rows, dtype=np.int32), named)


def renumbered(cursor: duckdb.DuckDBPyConnection, index: Path, numbers: Mapping[int, int]) -> None:
    """Give chunks their final numbers (`numbers`: number when written -> number in the manifest)."""
    if all(old == new for old, new in numbers.items()):
        return
    cases = " ".join(f"WHEN {old} THEN {new}" for old, new in numbers.items())
    final = index.with_suffix(".final")
    cursor.execute(
        f"COPY (SELECT * REPLACE (CAST(CASE {identifier(CHUNK)} {cases} END AS INTEGER) AS {identifier(CHUNK)}) "
        f"FROM {parquet([index])}) TO {literal(str(final))} (FORMAT parquet, COMPRESSION snappy)"
    )
    final.replace(index)
