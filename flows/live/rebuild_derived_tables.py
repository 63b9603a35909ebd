"""Tables that the EDMS computes from others: it rebuilds them with commands of its own, after what they come from was written."""

from __future__ import annotations

import shlex

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import EdmsNotImportable
from edms_tasks.inventory.run_probe import run_in_edms, run_on_another_engine
from flows.running.flow_decorators import task
from flows.running.hidden_values import output_to_show
from flows.running.run import Run

_LONGEST = 300

run_rebuild = task(name="rebuild derived tables", tags=["commit"])(run_in_edms)
run_rebuild_elsewhere = task(name="rebuild derived tables", tags=["commit"])(run_on_another_engine)


def rebuild_derived(run: Run, database: str | DatabaseAddress, notes: list[str]) -> tuple[str, ...]:
    """Run the commands of `[derived] rebuild` in the EDMS; returns those that failed. Each gets a note.

    What they come from is in place, so a failure is no error.

    Args:
        run: the run.
        database: the name of a database on the EDMS's server, or a database of the other engine.
        notes: gets a line for each command.
    """
    failed = []
    for command in run.settings.derived.rebuild:
        why = _failure(run, shlex.split(command), database)
        if why is None:
            notes.append(f"Derived tables: the EDMS ran `{command}`.")
            continue
        failed.append(command)
        notes.append(f"Derived tables were NOT rebuilt: `{command}` failed: {why} Run it in the EDMS.")
    return tuple(failed)


def _failure(run: Run, words: list[str], database: str | DatabaseAddress) -> str | None:
    """Run one command; returns why it failed, None if it did not."""
    try:
        if isinstance(database, str):
            answer = run.call(run_rebuild, run.settings, words, database_name=database)
        else:
            answer = run.call(run_rebuild_elsewhere, run.settings, [words], database)
    except EdmsNotImportable as error:
        return f"{error.what} {error.why}".strip()
    if answer.returncode == 0:
        return None
    said = answer.stderr or answer.stdout or answer.why or answer.problem
    lines = output_to_show(said, run.settings).strip().splitlines()
    return lines[-1][:_LONGEST] if lines else "no message"
