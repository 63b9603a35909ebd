"""The index of a file root: its columns, its digest, and how it is written and read.

Rows are in depth-first order: by the list of path components, compared as bytes. The first row is the root itself, with
the empty path. So a reader needs no memory to see that no path comes twice and that every parent is a folder.

**Digest.** For every row but the root's: MD5 of ``path \\0 kind \\0 size \\0 sha256`` (path as its raw bytes; kind
``file`` or ``dir``; size in decimal digits; sha256 in hex; a folder has size 0 and an empty sha256), read as a
big-endian number. The digest is the sum of all, modulo 2**128, as 32 hex digits: the order of rows does not matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import FileIndex
from edms_tasks.scratch.duckdb_instance import cursor_of, open_instance

PACK_BYTES = 16 * 1024 * 1024
LARGEST_PACK_OBJECT = PACK_BYTES + PACK_BYTES // 64 + 4096  # zstd makes no input larger by more than this
ROWS_AT_ONCE = 16_384
ROWS_PER_OBJECT = 16 * ROWS_AT_ONCE

SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),  # raw bytes, "/" between components; b"" is the root
        pa.field("kind", pa.string(), nullable=False),  # "file" | "dir"
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("ctime_ns", pa.int64(), nullable=False),
        pa.field("inode", pa.uint64(), nullable=False),  # 0: the file always counts as changed
        pa.field("mode", pa.int32(), nullable=False),
        pa.field("uid", pa.int64(), nullable=False),
        pa.field("gid", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # hex; "" for folders
        pa.field(
            "parts",
            pa.list_(pa.struct([("object", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])),
            nullable=False,
        ),  # position of the content: bytes offset … offset+length of the unpacked object
    ]
)

PARTS = SCHEMA.field("parts").type

_DIGEST = """
    SELECT sum(CAST('0x' || hash[1:16] AS UBIGINT)), sum(CAST('0x' || hash[17:32] AS UBIGINT))
    FROM (
        SELECT md5(
            path || '\\x00'::BLOB || encode(kind) || '\\x00'::BLOB
            || encode(CAST(size AS VARCHAR)) || '\\x00'::BLOB || encode(sha256)
        ) AS hash
        FROM read_parquet($paths)
        WHERE path <> ''::BLOB
    )
"""


class PackPart(NamedTuple):
    """A run of bytes in an unpacked pack."""

    object: str
    offset: int
    length: int


def readable(path: bytes) -> str:
    """A path for people and JSON: bytes that are not UTF-8, and characters that cannot be printed, are escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def digest_of(paths: Sequence[Path], connection: duckdb.DuckDBPyConnection) -> str:
    """The digest over the rows of Parquet files with an index's path, kind, size and sha256: 32 hex digits."""
    if not paths:
        return f"{0:032x}"
    names = {"paths": [str(path) for path in paths]}
    ((upper, lower),) = connection.execute(_DIGEST, names).fetchall()
    return f"{(((upper or 0) << 64) + (lower or 0)) % 2**128:032x}"


@contextmanager
def file_workspace(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB connection with little memory; what exceeds it goes to disk in `folder`."""
    with open_instance(
        folder / "duckdb", memory_limit_mb=256, threads=2, keeps_order=True, caches_files=False
    ) as connection:
        yield connection


def write_index(rows: Iterator[pa.RecordBatch], folder: Path) -> tuple[Path, ...]:
    """Write an index's rows, given in order, into as many Parquet files as they need."""
    paths: list[Path] = []
    for first in rows:
        paths.append(folder / f"index-{len(paths):06d}.parquet")
        with pq.ParquetWriter(paths[-1], SCHEMA, compression="zstd") as writer:
            for batch in itertools.chain([first], itertools.islice(rows, ROWS_PER_OBJECT // ROWS_AT_ONCE - 1)):
                columns = [column.cast(field.type) for column, field in zip(batch.columns, SCHEMA, strict=True)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
    return tuple(paths)


@dataclass(frozen=True)
class OpenedIndex:
    """An index that was fetched and checked."""

    index: FileIndex
    paths: tuple[Path, ...]  # its Parquet files
    folder: Path  # for temporary files; gone with the index
    engine: duckdb.DuckDBPyConnection  # a `file_workspace`: opening one for each query took longer than the queries
    names: Mapping[bytes, bytes] | None = None  # of a part under other paths: path in the index -> path in the part

    @contextmanager
    def workspace(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of the caller's own to the index's engine; its tables are those of the engine."""
        with cursor_of(self.engine) as connection:
            yield connection

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in order, some ten thousand at a time."""
        for path in self.paths:
            try:
                with pq.ParquetFile(path, memory_map=False) as file:
                    if not file.schema_arrow.equals(SCHEMA):
                        raise unsound(self.index.root.name, "its columns are not those of an index")
                    yield from file.iter_batches(ROWS_AT_ONCE)
            except (pa.ArrowException, OSError) as error:
                raise unsound(self.index.root.name, str(error).splitlines()[0][:200]) from error


def unsound(root: str, why: str) -> DamagedRepository:
    """The error for an index with rows that no backup writes; `why` completes the sentence."""
    return DamagedRepository(
        "The index of a file root is damaged.",
        where=f"files of {root}",
        why=why,
        fix="Restore another snapshot; nothing was written.",
    )
