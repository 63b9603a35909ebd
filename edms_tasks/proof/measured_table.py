"""The measurements of a restored table.

A manifest's `TableState` is complete. A validation computes less; what it did not compute is None here, so that the
manifest's own numbers cannot appear as if they had been measured again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edms_tasks.manifest import ReferenceState, TableState
from edms_tasks.proof.table_proof import BlockDifference


@dataclass(frozen=True)
class MeasuredTable:
    """A table as it was read back.

    Args:
        rows: the number of rows that were read.
        fingerprint: the proof over all columns (format 1: the exact digest); None if the rows cannot be proved in the snapshot's
            blocks, because their columns, types or keys are others.
        content_digest: the digest with natural keys in place of ids (format 1); None if it was not computed.
        references: name -> state of a reference on these rows; None if references were not followed.
        key_nulls, key_duplicates: rows whose natural key has a NULL or occurs more than once; None if they were not counted.
        differences: the blocks and columns that differ from the snapshot's (format 2).
    """

    rows: int
    fingerprint: str | None
    content_digest: str | None = None
    references: Mapping[str, ReferenceState] | None = None
    key_nulls: int | None = None
    key_duplicates: int | None = None
    differences: tuple[BlockDifference, ...] = ()

    @classmethod
    def whole(cls, state: TableState) -> MeasuredTable:
        """A state of which every part was computed from the rows that were read back."""
        references = {reference.name: reference for reference in state.references}
        return cls(
            state.rows,
            state.fingerprint or None,
            state.content_digest,
            references,
            state.key_nulls,
            state.key_duplicates,
        )

    def equals(self, expected: TableState) -> bool:
        """Whether the number of rows, the fingerprint and (if computed) the content digest are equal."""
        same_content = self.content_digest is None or self.content_digest == expected.content_digest
        return self.rows == expected.rows and self.fingerprint == expected.fingerprint != "" and same_content

    def has_everything_of(self, expected: TableState) -> bool:
        """Whether everything that was measured equals what the manifest says, references included."""
        references = self.references is None or list(self.references.values()) == list(expected.references)
        keys = (self.key_nulls, self.key_duplicates) in ((None, None), (expected.key_nulls, expected.key_duplicates))
        return self.equals(expected) and references and keys

    @property
    def different_columns(self) -> tuple[str, ...] | None:
        """The columns in which blocks differ from the snapshot's; None if that is not known."""
        named = dict.fromkeys(name for block in self.differences for name in block.columns)
        return tuple(named) or None
