"""List a folder before any file is read: the names in order, with the status of each.

So everything that follows is set-based: which files are unchanged since the previous index, which must be read, and the rows
of the new index.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.files.folder_walk import WalkedEntry

SCHEMA = pa.schema(
    [
        ("position", pa.int64()),  # in the order of the walk, which is the order of the index
        ("path", pa.binary()),
        ("kind", pa.string()),
        ("link", pa.bool_()),
        ("size", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("ctime_ns", pa.int64()),
        ("inode", pa.uint64()),
        ("mode", pa.int32()),
        ("uid", pa.int64()),
        ("gid", pa.int64()),
    ]
)

_ROWS_AT_ONCE = 32_768


def write_listing(found: Iterable[WalkedEntry], into: Path) -> None:
    """Write the results of a walk to the Parquet file `into`, some ten thousand rows at a time."""
    rows: list[tuple[object, ...]] = []
    with pq.ParquetWriter(into, SCHEMA, compression="lz4") as writer:
        for position, (path, kind, status, link) in enumerate(found):
            rows.append(
                (
                    position,
                    path,
                    kind,
                    link,
                    status.st_size if kind == "file" else 0,
                    status.st_mtime_ns,
                    status.st_ctime_ns,
                    status.st_ino,
                    stat.S_IMODE(status.st_mode),
                    status.st_uid,
                    status.st_gid,
                )
            )
            if len(rows) == _ROWS_AT_ONCE:
                writer.write_batch(batch_of(rows, SCHEMA))
                rows = []
        if rows:
            writer.write_batch(batch_of(rows, SCHEMA))


def batch_of(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Convert rows to a record batch of this schema."""
    columns = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
