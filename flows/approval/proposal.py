"""What a run would change, for those who approve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CHANGES_SHOWN = 40


@dataclass(frozen=True)
class Proposal:
    """A change of the live system that waits for approval.

    Args:
        subject: the snapshot, or the stamp of a rollback, by its full id: exactly this is approved.
        pinned: fields of the request that are fixed to it, such as `snapshot` where `latest` was asked for.
        title: one sentence that says what would happen.
        facts: (name, value) of what matters, such as how many rows would go.
        changes: the models and folders that would change, one line each.
        obstacles: what would stop it now.
        notes: what else is worth knowing.
    """

    subject: str
    pinned: Mapping[str, str]
    title: str
    facts: Sequence[tuple[str, object]]
    changes: Sequence[str] = ()
    obstacles: Sequence[str] = ()
    notes: Sequence[str] = ()

    def lines(self, most: int) -> tuple[str, ...]:
        """All of it line by line, with so many changes at most, for the report of the run that was approved."""
        more = len(self.changes) - most
        return (
            self.title,
            *(f"{name}: {value}" for name, value in self.facts if value not in ("", None)),
            *(f"In the way when it was planned: {one}" for one in self.obstacles),
            *self.changes[:most],
            *([f"… and {more:,} more"] if more > 0 else []),
            *self.notes,
        )
