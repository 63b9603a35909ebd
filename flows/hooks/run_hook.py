"""Run one command of `[hooks]`: without a shell, with a time-out, its output in the run's log."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from typing import Literal

from edms_tasks.drill_settings import Command, words_of
from edms_tasks.programs.run_program import run_program
from edms_tasks.programs.secret_values import without_secrets
from flows.running.hidden_values import output_to_show
from flows.running.printable import printable
from flows.running.run import Run

Moment = Literal["before", "after", "error"]
HookOutcome = Literal["", "success", "failed", "stopped", "killed"]

_MOST_BYTES = 16_384
_MOST_LINES = 20
_LONGEST_LINE = 500


@dataclass(frozen=True)
class Situation:
    """What a hook is told, in its environment."""

    verb: str
    outcome: HookOutcome = ""
    snapshot: str = ""
    error: str = ""

    def ended(self, outcome: HookOutcome, *, snapshot: str | None = None, error: str = "") -> Situation:
        """The same after the verb has ended."""
        return replace(self, outcome=outcome, snapshot=self.snapshot if snapshot is None else snapshot, error=error)

    def variables(self, moment: Moment) -> dict[str, str]:
        """The environment variables."""
        return {
            "EDMS_BACKUP_HOOK": moment,
            "EDMS_BACKUP_VERB": self.verb,
            "EDMS_BACKUP_OUTCOME": self.outcome,
            "EDMS_BACKUP_SNAPSHOT": self.snapshot,
            "EDMS_BACKUP_ERROR": printable(" ".join(self.error.split())),
        }


def run_hook(run: Run, moment: Moment, command: Command, situation: Situation) -> str:
    """Run a command; returns why it failed, "" if it did not."""
    words = words_of(command)
    shown = printable(without_secrets(shlex.join(words), run.settings))
    name = f"{moment}_{situation.verb} `{shown}`"
    seconds = run.settings.hooks.timeout
    try:
        ended = run_program(
            words, environment=os.environ | situation.variables(moment), seconds=seconds, most=_MOST_BYTES
        )
    except (OSError, ValueError) as error:  # ValueError: a zero byte in a word
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        run.say(f"! {name}: {why}")
        return f"{name} could not be started: {why}"
    said = without_secrets(f"{ended.stdout}\n{ended.stderr}".strip(), run.settings)
    output = printable(output_to_show(said, run.settings)).splitlines()
    how = "was ended, because it took too long" if ended.timed_out else f"exit code {ended.returncode}"
    run.say(f"{'·' if ended.success else '!'} {name}: {how}, after {ended.seconds:.1f} s")
    for line in output[-_MOST_LINES:]:
        run.say(f"  | {line[:_LONGEST_LINE]}")
    if ended.timed_out:
        return f"{name} did not end in {seconds} seconds, and was ended"
    if not ended.success:
        last = f": {output[-1][:_LONGEST_LINE]}" if output else ""
        return f"{name} failed with exit code {ended.returncode}{last}"
    return ""
