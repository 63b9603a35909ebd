"""Check a Parquet object of a repository against the manifest before its values are read.

A few hundred bytes of Parquet can claim billions of rows, or a gigabyte for one page. Only the footer is read here, which
has the number of rows and their unpacked size.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository

LARGEST_ROWS = 1 << 24
"""The most rows in one object. A backup writes at most `chunk_rows` (by default 65,536)."""

LARGEST_BYTES = 3 << 30
"""The most unpacked bytes of one object. A backup ends an object at 8 MB, so only a single row can make it larger: SQLite's
values have at most 1 GB, and tagged ones are written as hexadecimal digits."""


def require_bounded(path: Path, *, rows: int | None, name: str) -> None:
    """Check that a file is Parquet, has the manifest's number of rows, and unpacks to no more than a backup writes.

    Args:
        path: the fetched object.
        rows: the number of rows in the manifest; None if it has none.
        name: the object's name in the repository, for the message.

    Raises:
        DamagedRepository: the file fails one of these checks.
    """
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            footer = file.metadata
            found = footer.num_rows
            size = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise _refused(name, f"It is not a Parquet file: {str(error).splitlines()[0][:200]}") from error
    if rows is not None and found != rows:
        raise _refused(name, f"It has {found:,} rows, the manifest says {rows:,}.")
    if found > LARGEST_ROWS:
        raise _refused(name, f"It has {found:,} rows; a backup writes at most {LARGEST_ROWS:,} into an object.")
    if size > LARGEST_BYTES:
        raise _refused(name, f"It would unpack to {size:,} bytes; a backup writes at most {LARGEST_BYTES:,}.")


def _refused(name: str, why: str) -> DamagedRepository:
    return DamagedRepository(
        "An object of the repository is not what a backup writes.",
        where=name,
        why=why,
        fix="Use another snapshot: `edms-backup verify` shows which are undamaged.",
    )
