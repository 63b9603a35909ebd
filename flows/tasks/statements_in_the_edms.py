"""Run SQL through the EDMS's own connection, which has the functions and collations that its code registers."""

from __future__ import annotations

from collections.abc import Sequence

from edms_tasks.inventory.run_probe import run_in_edms
from flows.running.flow_decorators import task
from flows.running.run import Run

_PROGRAM = """
from django.db import connections
connection = connections[{alias!r}]
connection.ensure_connection()
for statement in {statements!r}:
    found = connection.connection.execute(statement).fetchall()
connection.close()
if found != [('ok',)]:
    raise SystemExit('integrity_check: ' + str(found))
"""


run_there = task(
    name="build in the EDMS", tags=["restore"], task_run_name="let the EDMS build what needs its own functions"
)(run_in_edms)


def problem_in_the_edms(run: Run, statements: Sequence[str], database_name: str) -> str:
    """Run statements on a database file; the last one has to answer "ok". Returns what went wrong, "" if nothing did."""
    program = _PROGRAM.format(alias=run.settings.edms.database, statements=list(statements))
    answer = run.call(run_there, run.settings, ["shell", "-c", program], database_name=database_name)
    return "" if answer.returncode == 0 else (answer.stderr or answer.stdout or answer.why).strip()
