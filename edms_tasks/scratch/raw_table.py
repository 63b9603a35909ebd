"""A table's extracted rows in the run's folder: neither joined nor changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.manifest import Encoding
from edms_tasks.scratch.arrow_without_pandas import leave_pandas_unloaded

leave_pandas_unloaded()  # here, because whatever reads rows imports this module before it makes an array

_NARROW = 4096  # bytes of a row
_BATCH_BYTES = 64 << 20


@dataclass(frozen=True)
class RawTable:
    """A table's raw rows in Parquet files; `encodings` says how each column's values are encoded."""

    table_id: str
    rows: int
    encodings: dict[str, Encoding]
    files: tuple[Path, ...]

    def by_width(self) -> Iterator[tuple[RawTable, int]]:
        """The files in groups with rows of similar width, each group with the number of rows that make about 64 MB.

        With one number for all, a reader would hold thousands of rows with megabytes of text at once.
        """
        if not self.files:
            yield self, 1
        groups: dict[int, list[tuple[Path, int]]] = {}
        for path in self.files:
            rows = pq.read_metadata(path).num_rows
            width = path.stat().st_size // max(rows, 1)
            size = 0
            while width > _NARROW << (4 * size):
                size += 1
            groups.setdefault(size, []).append((path, rows))
        for size, files in sorted(groups.items()):
            taken = replace(self, rows=sum(rows for _, rows in files), files=tuple(path for path, _ in files))
            yield taken, max(1, _BATCH_BYTES // (_NARROW << (4 * size)))

    @property
    def bytes(self) -> int:
        """The size of the files, a measure of the work on the rows."""
        return sum(path.stat().st_size for path in self.files)


def write_raw(rows: pa.Table, path: Path) -> None:
    """Write raw rows to a file."""
    # Small row groups: each thread of DuckDB holds a whole one in memory.
    group = max(1024, rows.num_rows // 4)
    pq.write_table(rows, path, row_group_size=group, compression="none", use_dictionary=False, write_statistics=False)
