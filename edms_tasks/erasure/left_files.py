"""The files of a root without those that only deleted rows named."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.stored_index import stored_index
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository


def without_files(index: FileIndex, names: Collection[str], repository: Repository, scratch: Path) -> FileIndex:
    """The index without these files. `repository` takes it; not the repository of the snapshot. `scratch` is created."""
    gone = pa.array(sorted(name.encode("utf-8", "surrogateescape") for name in names), pa.binary())

    def left(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            is_gone = pc.and_(pc.is_in(batch["path"], gone), pc.equal(batch["kind"], "file"))
            kept = batch.filter(pc.invert(is_gone))
            if kept.num_rows:
                yield kept

    with open_index(index, repository, scratch) as opened:
        return stored_index(index, left(opened.batches()), repository, scratch / "left")
