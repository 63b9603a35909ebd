"""Tables that the EDMS computes from others: it rebuilds them with commands of its own, after what they come from was written."""

from __future__ import annotations

import shlex

from edms_tasks.inventory.run_probe import run_in_edms
from flows.running.flow_decorators import task
from flows.running.run import Run

_LONGEST = 300

run_rebuild = task(name="rebuild derived tables", tags=["commit"])(run_in_edms)


def rebuild_derived(run: Run, database_name: str, notes: list[str]) -> tuple[str, ...]:
    """Run the commands of `[derived] rebuild` in the EDMS; returns those that failed. Each gets a note."""
    failed = []
    for command in run.settings.derived.rebuild:
        answer = run.call(run_rebuild, run.settings, shlex.split(command), database_name=database_name)
        if answer.returncode == 0:
            notes.append(f"Derived tables: the EDMS ran `{command}`.")
            continue
        lines = (answer.stderr or answer.stdout or answer.why or answer.problem).strip().splitlines()
        why = lines[-1][:_LONGEST] if lines else "no message"
        failed.append(command)
        notes.append(f"Derived tables were NOT rebuilt: `{command}` failed: {why} Run it in the EDMS.")
    return tuple(failed)
