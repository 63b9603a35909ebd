"""What the ledger did to a snapshot, for reports and people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edms_tasks.erasure.ledger import Erasure
from edms_tasks.manifest import TableEntry


@dataclass(frozen=True)
class AppliedErasure:
    """What an erasure did to a snapshot: number of rows that were deleted, changed, or had a reference taken off.

    It goes into reports, so it does not say whose data was erased.
    """

    id: str
    title: str
    label: str  # of the row's model
    found: bool
    deleted: int = 0
    masked: int = 0
    unlinked: int = 0

    @classmethod
    def of(
        cls, erasure: Erasure, *, found: bool, deleted: int = 0, masked: int = 0, unlinked: int = 0
    ) -> AppliedErasure:
        """What an entry of the ledger did."""
        return cls(erasure.id, erasure.title, erasure.erased.label, found, deleted, masked, unlinked)

    def __str__(self) -> str:
        if not self.found:
            return f"{self.title}: no row with this key is in this snapshot."
        if not self.deleted + self.masked + self.unlinked:
            return f"{self.title}: a later erasure of the same row took its place."
        parts = [
            f"{count:,} {'row' if count == 1 else 'rows'} {what}"
            for count, what in (
                (self.deleted, "deleted"),
                (self.masked, "masked"),
                (self.unlinked, "without their reference"),
            )
            if count
        ]
        return f"{self.title}: applied to {self.label} again, {', '.join(parts)}."


@dataclass(frozen=True)
class ErasedTables:
    """The tables of a snapshot after erasures: changed entries by table id, and what each erasure did."""

    entries: Mapping[str, TableEntry]
    applied: tuple[AppliedErasure, ...]
    file_names: Mapping[str, frozenset[str]]  # root -> names in file columns of deleted rows
