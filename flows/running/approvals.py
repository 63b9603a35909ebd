"""Who approved a run, and what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.errors import NotApproved
from flows.running.printable import printable

_NAMED = 5


@dataclass(frozen=True)
class Approval:
    """One person's approval of a run.

    Args:
        by: the name that was given.
        at: when this machine received it.
        checked: whether a code of that person's authenticator app confirmed the name.
        note: what was written with it.
    """

    by: str
    at: datetime
    checked: bool
    note: str = ""

    def __str__(self) -> str:
        how = "confirmed by a code" if self.checked else "as typed, not checked"
        return f"{self.by} ({how}) at {self.at:%Y-%m-%d %H:%M:%S} UTC" + (f": {self.note}" if self.note else "")

    def as_json(self) -> dict[str, Any]:
        """For the log and for reports."""
        return {"by": self.by, "at": self.at.isoformat(), "checked": self.checked, "note": self.note}


@dataclass(frozen=True)
class Approved:
    """What was approved, by whom, and the plan that they saw, line by line."""

    subject: str
    approvals: tuple[Approval, ...]
    plan: tuple[str, ...] = ()

    def require(self, subject: str) -> None:
        """Raise NotApproved if this is not what was approved."""
        if subject != self.subject:
            raise NotApproved(
                "This is not what was approved: nothing was changed.",
                where=subject,
                why=f"{self.subject} was approved.",
                fix="Start a new run, and approve its plan.",
            )

    def require_plan(self, lines: Iterable[str]) -> None:
        """Raise NotApproved if a line of what would be done now was not in the plan that they saw."""
        seen = set(self.plan)
        if new := [line for line in map(printable, lines) if line not in seen]:
            raise NotApproved(
                "The live system has changed since this plan was approved: nothing was changed.",
                where=self.subject,
                why=f"Now it would be: {'; '.join(new[:_NAMED])}{'; …' if len(new) > _NAMED else ''}.",
                fix="Start a new run, and approve its plan.",
            )
