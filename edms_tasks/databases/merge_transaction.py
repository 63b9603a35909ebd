"""The protocol of a merge into a live database, and the rows that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from edms_tasks.databases.left_to_the_edms import LeftToTheEdms
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Encoding

if TYPE_CHECKING:
    from edms_tasks.databases.protocol import View


@dataclass(frozen=True)
class TableChange:
    """Rows to write into a table of a live database: Parquet files with its stored columns, encoded as in `encodings`."""

    table: Table
    encodings: dict[str, Encoding]
    inserts: Sequence[Path]
    updates: Sequence[Path]  # in this order, before the inserts; identified by their primary key, which never changes


class MergeTransaction(Protocol):
    """One transaction on a live database, from the first read to the commit. No other session can write to its tables."""

    committed: bool
    undecided: bool  # it was being committed, and whether it is has not been heard

    def view(self) -> View:
        """The database as the transaction sees it: before `write` unchanged, after it with the merged rows."""

    def left_to_the_edms(self, changes: Sequence[TableChange], scratch: Path) -> LeftToTheEdms | None:
        """What the EDMS has to run before `write`, to compute or check some columns; `scratch` is a folder."""

    def write(self, changes: Sequence[TableChange]) -> None:
        """Insert and update rows. No trigger fires; references are checked at the end. Raises MergeRefused if the database refuses."""

    def commit(self) -> None:
        """Commit. Leaving the transaction without it rolls everything back.

        Raises:
            MergeRefused: the database refuses; nothing is committed.
            CommitUndetermined: the connection was lost, and the server does not say whether it is committed.
        """
