"""The measurements of a restored table.

A manifest's `TableState` is complete. A validation computes less; what it did not compute is None here, so that the
manifest's own numbers cannot appear as if they had been measured again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edms_tasks.manifest import ReferenceState, TableState


@dataclass(frozen=True)
class MeasuredTable:
    """A table as it was read back.

    Args:
        rows: the number of rows that were read.
        exact_digest: the digest over all columns; None if the columns differ from the snapshot's.
        content_digest: the digest with natural keys in place of ids; None if it was not computed.
        references: name -> state of a reference on these rows; None if references were not followed.
    """

    rows: int
    exact_digest: str | None
    content_digest: str | None = None
    references: Mapping[str, ReferenceState] | None = None

    @classmethod
    def whole(cls, state: TableState) -> MeasuredTable:
        """A state of which every part was computed from the rows that were read back."""
        references = {reference.name: reference for reference in state.references}
        return cls(state.rows, state.exact_digest, state.content_digest, references)

    def equals(self, expected: TableState) -> bool:
        """Whether the number of rows, the exact digest and (if computed) the content digest are equal."""
        same_content = self.content_digest is None or self.content_digest == expected.content_digest
        return (self.rows, self.exact_digest) == (expected.rows, expected.exact_digest) and same_content
