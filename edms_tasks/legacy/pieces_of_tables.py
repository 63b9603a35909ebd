"""A table's file in pieces, because a staging database is loaded by whole files, and holds one in memory."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_ROWS = 65_536
_BYTES = 32 << 20


def in_pieces(path: Path) -> tuple[Path, ...]:
    """Files of at most 65,536 rows and, unless one row is larger, some 32 MB each; the original is removed if there are several."""
    file = pq.ParquetFile(path)
    rows = file.metadata.num_rows
    if not rows:
        return ()
    size = sum(file.metadata.row_group(at).total_byte_size for at in range(file.metadata.num_row_groups))
    at_once = max(1, min(_ROWS, rows * _BYTES // max(size, 1)))
    if rows <= at_once:
        return (path,)
    made: list[Path] = []
    for batch in file.iter_batches(batch_size=at_once):
        made.append(path.with_suffix(f".{len(made):06d}.parquet"))
        pq.write_table(pa.Table.from_batches([batch]), made[-1])
    path.unlink()
    return tuple(made)
