"""The run that holds a lock, for the message to other runs."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from edms_tasks.errors import TargetLocked


@dataclass(frozen=True)
class Holder:
    """A run that holds a lock. Unknown fields are empty."""

    purpose: str = ""  # "restore", "backup", …
    pid: str = ""
    host: str = ""
    since: str = ""

    @classmethod
    def present(cls, purpose: str) -> Holder:
        """This process."""
        return cls(purpose, str(os.getpid()), socket.gethostname(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")

    @classmethod
    def from_json(cls, value: Any) -> Holder:
        """The holder from a lock file's JSON; anything that is not as expected becomes empty."""
        known = value if isinstance(value, dict) else {}
        return cls(**{name: str(known.get(name, ""))[:200] for name in ("purpose", "pid", "host", "since")})

    def as_json(self) -> dict[str, str]:
        """The content of a lock file."""
        return asdict(self)

    def locked(self, what: str, *, where: str) -> TargetLocked:
        """The error for a run that needs the lock on `what`."""
        verb = f"A {self.purpose} is running" if self.purpose else "Another run is at work"
        return TargetLocked(
            f"{verb} on {what}.",
            where=where,
            why=f"process {self.pid or '?'} on {self.host or '?'}, since {self.since or '?'}",
            fix="Wait for it to end. A lock ends with its process, so there is nothing to remove by hand.",
        )
