"""References to files, checked set-wise: rows that name a file the snapshot has not, files that no row names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edms_tasks.inventory.model import Finding, Table
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository

if TYPE_CHECKING:
    from edms_tasks.extract import RawTable


def find_file_problems(
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    indexes: Sequence[FileIndex],
    repository: Repository,
) -> tuple[Finding, ...]:
    """TODO."""
    return ()
