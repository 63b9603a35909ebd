"""Store other rows as a root's index: those that are left of damaged, erased or masked files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from edms_tasks.files.index import digest_of, file_workspace, write_index
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository


def stored_index(index: FileIndex, rows: Iterator[pa.RecordBatch], repository: Repository, folder: Path) -> FileIndex:
    """Store rows in the place of an index's, counted and hashed anew; its packs stay.

    Args:
        index: the index whose root it is.
        rows: the rows in order; no batch is empty.
        repository: takes them; not the repository of the snapshot.
        folder: for temporary files; created.
    """
    folder.mkdir()
    paths = write_index(rows, folder)
    with file_workspace(folder) as connection:
        files = total = 0
        if paths:
            ((files, total),) = connection.execute(
                "SELECT count(*) FILTER (kind = 'file'), coalesce(sum(size), 0) FROM read_parquet($paths)",
                {"paths": [str(path) for path in paths]},
            ).fetchall()
        digest = digest_of(paths, connection)
    return index.model_copy(
        update={
            "files": int(files),
            "bytes": int(total),
            "digest": digest,
            "index": tuple(repository.put_file(path) for path in paths),
        }
    )
