"""The origin of a run: who started it and why, who approved it, where and when. It stands in the log and in the report."""

from __future__ import annotations

import os
import platform
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from edms_tasks.evidence.host_clock import HostClock, machine_of_this_run, read_host_clock
from edms_tasks.repository.records import whoever_runs_this


class ApprovalLike(Protocol):
    """The part of an approval that evidence needs; `flows/running/approvals.py` has the approval itself."""

    def as_json(self) -> dict[str, Any]:
        """Who approved it (`by`), when (`at`), whether a code confirmed the name (`checked`), and their `note`."""


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Args:
        run: its id; Prefect's, if it runs there.
        started: when, by the clock of the host.
        by: the user of the operating system.
        through: what started it, if it was no person at the command line, such as a deployment; else "".
        reason: why, in the words of whoever started it; "" if nothing was said.
        approvals: who approved it; none if nobody had to.
        plan: the plan that they approved, line by line.
    """

    run: str = field(default_factory=lambda: secrets.token_hex(16))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    by: str = field(default_factory=lambda: whoever_started_this())
    through: str = ""
    reason: str = ""
    approvals: tuple[ApprovalLike, ...] = ()
    plan: tuple[str, ...] = ()
    host: str = field(default_factory=machine_of_this_run)
    clock: HostClock = field(default_factory=read_host_clock)

    def facts(self) -> dict[str, Any]:
        """What the log says of it; it is not encrypted."""
        said = {"run": self.run, "by": self.by, "through": self.through, "reason": self.reason}
        approved = {"approved_by": [one.as_json() for one in self.approvals]} if self.approvals else {}
        return {**{name: value for name, value in said.items() if value}, **approved}

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "id": self.run,
            "by": self.by,
            "through": self.through,
            "reason": self.reason,
            "approved_by": [one.as_json() for one in self.approvals],
            "approved_plan": list(self.plan),
            "started": self.started.isoformat(timespec="seconds"),
            "host": self.host,
            "system": platform.platform(),
            "time_source": str(self.clock),
            "time_synchronised": self.clock.synchronised,
        }


def whoever_started_this() -> str:
    """The user of this process; behind sudo, also who used it."""
    user, behind = whoever_runs_this(), os.environ.get("SUDO_USER", "")
    return f"{user} (sudo: {behind})" if behind and behind != user else user
