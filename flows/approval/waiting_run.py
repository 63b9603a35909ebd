"""A run that waits for approval, as this machine remembers it.

Prefect ends a suspended run's process and starts another when it is resumed. What was planned, and who has approved it so far, is kept
in the work folder: on Prefect's server it could be changed by whoever may start runs.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import TerminalError
from edms_tasks.settings import Settings
from flows.running.approvals import Approval
from flows.running.field_descriptions import as_parameters

_KEPT_SECONDS = 90 * 24 * 3600.0


@dataclass(frozen=True)
class WaitingRun:
    """The plan that a run has shown, and its approvals.

    Args:
        number: how often this run has shown a plan; a retried one shows another.
        asked: when it was shown.
        parameters: the request, as it was when the plan was made.
        subject: what is to be approved.
        pinned: fields of the request that are fixed to it.
        target: where the live system was when the plan was made.
        approvals: those given so far.
        plan: the plan that was shown, line by line.
        open: false once it was refused or has expired: the next attempt shows another plan.
    """

    number: int
    asked: datetime
    parameters: str
    subject: str
    pinned: dict[str, str]
    target: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    open: bool = True
    plan: tuple[str, ...] = ()

    def expires(self, after: timedelta) -> datetime:
        """When it expires: so long after it was shown, or after the last approval."""
        return max([self.asked, *(one.at for one in self.approvals)]) + after

    def approved_by(self, approval: Approval) -> Self:
        """With one more approval."""
        return replace(self, approvals=(*self.approvals, approval))


_AS_JSON = TypeAdapter(WaitingRun)


@dataclass(frozen=True)
class WaitingRuns:
    """The waiting runs of a work folder."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those of these settings."""
        return cls(settings.workdir / "approvals")

    @property
    def used_codes(self) -> Path:
        """The folder that remembers which one-time codes were used."""
        return self.folder / "used-codes"

    def read(self, run_id: str) -> WaitingRun | None:
        """What is known of a run; None if it has shown no plan here."""
        path = self._path(run_id)
        try:
            return _AS_JSON.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ValidationError, OSError) as error:
            raise TerminalError(
                "The record of a plan that waits for approval cannot be read: nothing was changed.",
                where=str(path),
                why=str(error),
                fix="Start a new run.",
            ) from error

    def write(self, run_id: str, waiting: WaitingRun) -> None:
        """Remember it, and forget those of long ago."""
        private_folder(self.folder)
        for old in self.folder.glob("*.json"):
            if old.stat().st_mtime < time.time() - _KEPT_SECONDS:
                old.unlink(missing_ok=True)
        write_durably(self._path(run_id), _AS_JSON.dump_json(waiting, indent=1))

    def _path(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.json"


def recorded(request: Any) -> str:
    """The fields of a request as text, to see later whether they were changed."""
    return json.dumps(as_parameters(request), default=str, sort_keys=True)
