"""Read an object of a damaged repository through, as Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository
from edms_tasks.salvage.losses import LostObject
from edms_tasks.scratch.bounded_parquet import require_bounded

_ROWS_AT_ONCE = 16_384


def read_through(
    repository: Repository, ref: ObjectRef, path: Path, schema: pa.Schema | None = None
) -> LostObject | None:
    """Fetch an object to `path` and read all of it; returns what is wrong with it, or None. `schema`: the columns that it must have."""
    try:
        repository.fetch(ref, path)
        require_bounded(path, rows=None, name=ref.sha256)
    except DamagedRepository as error:
        return LostObject(ref.sha256, error.why)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            if schema is not None and not file.schema_arrow.equals(schema):
                return LostObject(ref.sha256, "Its columns are not those that it must have.")
            for _ in file.iter_batches(_ROWS_AT_ONCE):
                pass
    except (pa.ArrowException, OSError) as error:
        # The bytes match the object's name and were just written here, so it is their content that is no Parquet.
        return LostObject(ref.sha256, f"It cannot be read as Parquet: {str(error).splitlines()[0][:200]}")
    return None
