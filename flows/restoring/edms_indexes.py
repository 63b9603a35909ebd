"""Build indexes over the EDMS's own functions and collations, with the EDMS's own connection."""

from __future__ import annotations

from edms_tasks.databases.protocol import StagingDatabase
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


build_in_the_edms = task(
    name="build in the EDMS", tags=["restore"], task_run_name="let the EDMS build what needs its own functions"
)(run_in_edms)


def build_indexes_in_the_edms(run: Run, staging: StagingDatabase) -> None:
    """Run the statements that the staging database left to the EDMS, if any. Raises CheckFailed."""
    if not staging.left_to_the_edms:
        return
    program = _PROGRAM.format(alias=run.settings.edms.database, statements=list(staging.left_to_the_edms))
    answer = run.call(build_in_the_edms, run.settings, ["shell", "-c", program], database_name=staging.address.name)
    staging.completed_by_the_edms(
        "" if answer.returncode == 0 else (answer.stderr or answer.stdout or answer.why).strip()
    )
