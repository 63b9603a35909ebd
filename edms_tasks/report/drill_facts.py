"""The facts of a drill: the commands that tried the copy, and the times measured against the targets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from edms_tasks.periods import in_words


@dataclass(frozen=True)
class CommandOutcome:
    """A command that the EDMS ran on the copy."""

    name: str
    command: str  # without secrets
    problem: str  # "": it passed
    seconds: float
    output: str = ""  # its end, without secrets

    @property
    def passed(self) -> bool:
        """Whether it ended in time, with exit code 0."""
        return not self.problem


@dataclass(frozen=True)
class Measured:
    """A time that was measured, and its target, in seconds."""

    seconds: float | None  # None: it could not be measured
    target: float | None  # None: there is none

    @property
    def met(self) -> bool:
        """Whether there is no target, or it was met."""
        return self.target is None or (self.seconds is not None and self.seconds <= self.target)

    def as_json(self) -> dict[str, Any]:
        """The values for the report's JSON."""
        seconds = None if self.seconds is None else round(self.seconds, 3)
        return {"seconds": seconds, "target_seconds": self.target, "met": self.met}


@dataclass(frozen=True)
class DrillFacts:
    """How a restored copy was tried.

    Args:
        began: when the drill began.
        chosen: how the snapshot was chosen, for people; a random choice with its seed.
        commands: the acceptance commands in their order.
        rto: from the beginning of the drill until the last command had passed.
        age: of the newest snapshot when the drill began: what would have been lost.
        widest_gap: the longest time between two snapshots since the last drill, 30 days at most.
    """

    began: datetime
    chosen: str
    commands: tuple[CommandOutcome, ...]
    rto: Measured
    age: Measured
    widest_gap: Measured

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the drill failed, although the copy equals the snapshot; a line for each reason. None: it passed."""
        return (
            *(f"The command {one.name!r} failed: {one.problem}" for one in self.commands if not one.passed),
            *_missed("RTO", self.rto, "The restore and its acceptance took"),
            *(
                ("RPO not measured: the repository has no snapshot of this EDMS.",)
                if self.age.seconds is None and self.age.target is not None
                else ()
            ),
            *_missed("RPO", self.age, "The newest snapshot was older:"),
            *_missed("RPO", self.widest_gap, "Between two snapshots passed"),
        )

    def as_json(self) -> dict[str, Any]:
        """The values for the report's JSON."""
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "passed": not self.problems,
            "problems": list(self.problems),
            "chosen": self.chosen,
            "commands": [
                {
                    "name": one.name,
                    "command": one.command,
                    "passed": one.passed,
                    "problem": one.problem,
                    "seconds": round(one.seconds, 3),
                    "output": one.output,
                }
                for one in self.commands
            ],
            "rto": self.rto.as_json(),
            "rpo": {"newest_snapshot": self.age.as_json(), "widest_gap": self.widest_gap.as_json()},
        }


def _missed(name: str, measured: Measured, what: str) -> tuple[str, ...]:
    if measured.met or measured.target is None:
        return ()
    if measured.seconds is None:
        return ()  # something else failed before it could be measured
    return (f"{name} missed: {what} {in_words(measured.seconds)}, the target is {in_words(measured.target)}.",)
