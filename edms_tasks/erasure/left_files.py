"""The files of a root without those that only deleted rows named."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.files.index import SCHEMA, digest_of, write_index
from edms_tasks.files.index_fetch import open_index
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository


def without_files(
    index: FileIndex, names: Collection[str], repository: Repository, scratch: Path
) -> tuple[FileIndex, int]:
    """The index without these files, and how many of them it had. `repository` takes it; not the repository of the snapshot."""
    scratch.mkdir(parents=True)
    gone = pa.array(sorted(name.encode("utf-8", "surrogateescape") for name in names), pa.binary())
    totals = {"files": 0, "bytes": 0}

    def left(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            is_gone = pc.and_(pc.is_in(batch["path"], gone), pc.equal(batch["kind"], "file"))
            kept = batch.filter(pc.invert(is_gone))
            totals["files"] += pc.sum(pc.equal(kept["kind"], "file")).as_py() or 0
            totals["bytes"] += pc.sum(kept["size"]).as_py() or 0
            if kept.num_rows:
                yield kept.cast(SCHEMA)

    with open_index(index, repository, scratch) as opened:
        paths = write_index(left(opened.batches()), scratch)
        with opened.workspace() as connection:
            digest = digest_of(paths, connection)
    changed = index.model_copy(
        update={**totals, "digest": digest, "index": tuple(repository.put_file(path) for path in paths)}
    )
    return changed, index.files - changed.files
