"""Alarm: tell people of an alarm of the Prefect server, on the ways of `[notify]`; its automations run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edms_tasks.errors import CommandError
from edms_tasks.signalling.sending import send_all, ways
from edms_tasks.signalling.signal import ALARM, Signal
from edms_tasks.signalling.told_runs import take_told
from edms_tasks.signalling.unsent import note_sent
from flows.requests import AlarmRequest
from flows.running.flow_decorators import Shortfall, flow
from flows.running.printable import printable
from flows.running.run import Run


@dataclass(frozen=True)
class ToldAlarm:
    """Way -> why the alarm could not be sent there, "" if it was; none if the run has told of itself."""

    ways: Mapping[str, str]

    @property
    def success(self) -> bool:
        """Whether people know."""
        return not any(self.ways.values())

    def shortfall(self) -> Shortfall | None:
        """What could not be sent; None if everything was."""
        failed = tuple(f"{way}: {why}" for way, why in self.ways.items() if why)
        return Shortfall("The alarm could not be sent on every way.", failed) if failed else None

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {"success": self.success, "ways": dict(self.ways)}


@flow(
    name="edms-alarm",
    description="Tells people of an alarm of the server, on the ways of [notify].",
    flow_run_name="alarm {name}",
    repeatable=True,
)
def alarm(run: Run, request: AlarmRequest) -> ToldAlarm:
    """Tell people of an alarm, unless the run that it is about has told of itself.

    Raises:
        CommandError: `[notify]` names nobody to tell of failures.
    """
    settings = run.settings
    if not settings.notify.tells_people:
        raise CommandError(
            "The settings name nobody to tell of an alarm.",
            where="[notify]",
            fix="Set webhook or email_to, with failure in on, and deploy again: docs/signals.md.",
        )
    if request.run and take_told(settings.workdir, request.run):
        run.say(f"The run {request.run} has told of itself: nobody is told twice.")
        return ToldAlarm({})
    signal = Signal(
        verb=ALARM,
        level="failure",
        at=datetime.now(UTC),
        seconds=0.0,
        edms=settings.edms.id or "",
        host=run.origin.host,
        run=request.run or run.origin.run,
        verdict=printable(request.name),
        what=printable(request.message),
    )
    results = send_all(ways(settings.notify, signal), settings.notify.timeout)
    note_sent(settings.workdir, results)
    for way, why in results.items():
        run.say(f"! {way}: {why}" if why else f"Told by {way}.")
    return ToldAlarm(results)
