"""A part of an index: some of its rows, under the same or other paths."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.files.index import SCHEMA, OpenedIndex


def part_of(opened: OpenedIndex, paths: Mapping[bytes, bytes]) -> OpenedIndex:
    """The rows with these paths, for as long as the index is open; `paths`: path in the index -> path in the part."""
    path, wanted = opened.folder / "part.parquet", pa.array(list(paths), pa.binary())
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for batch in opened.batches():
            chosen = batch.filter(pc.is_in(batch["path"], wanted))
            named = pa.array([paths[one] for one in chosen["path"].to_pylist()], pa.binary())
            writer.write_batch(pa.RecordBatch.from_arrays([named, *chosen.columns[1:]], schema=SCHEMA))
    return OpenedIndex(opened.index, (path,), opened.folder, opened.engine, paths)
