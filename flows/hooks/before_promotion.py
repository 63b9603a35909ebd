"""The commands between the proof of a restored copy and its swap: the EDMS is stopped for seconds, and not for all of the restore."""

from __future__ import annotations

from edms_tasks.errors import HookFailed
from flows.hooks.run_hook import Situation, run_hook
from flows.running.run import Run


def run_before_promotion(run: Run, snapshot: str) -> None:
    """Run `[hooks] before_promote`, one command after the other; raises HookFailed at the first that fails."""
    situation = Situation("promote", snapshot=snapshot)
    for command in run.settings.hooks.of("before", "promote"):
        if problem := run_hook(run, "before", command, situation):
            raise HookFailed(
                "A command before the promotion failed, so the live system was not changed.",
                where="[hooks] before_promote",
                why=problem,
                fix="Try the command by hand, as this user; or correct it. Then restore again.",
            )
