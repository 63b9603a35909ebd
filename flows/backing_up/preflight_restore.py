"""Try during a backup whether the schema can be restored: without rows, on this server and with the EDMS's own connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.databases.missing_functions import note_of_unknown
from edms_tasks.databases.protocol import CapturedSchema, NeedsTheEdms, RestorePreflight
from edms_tasks.errors import EdmsBackupError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.run_probe import run_in_edms
from edms_tasks.structure.preflight_findings import findings_of
from flows.running.flow_decorators import task
from flows.running.run import Run

# The EDMS's code may print something before it.
_ANSWER = "edms-backup answers: "
_PROGRAM = """
import json
from django.db import connections
connection = connections[{alias!r}]
problems = {{}}
for name, statements in {wanted!r}:
    connection.close()
    connection.connection = None
    connection.ensure_connection()
    try:
        for statement in statements:
            connection.connection.execute(statement)
    except Exception as error:
        problems[name] = str(error)
print()
print({answer!r} + json.dumps(problems))
"""


@task(name="try the schema", tags=["extract"], task_run_name="try what a restore would need")
def try_the_schema(
    database: Database, captured: CapturedSchema, folder: Path, *, into: str | None = None, thorough: bool = False
) -> RestorePreflight:
    """Create the schema without its rows in a temporary database, and drop it."""
    return database.preflight(captured, folder, into=into, thorough=thorough)


ask_for_functions = task(
    name="ask for functions", tags=["extract"], task_run_name="ask the EDMS for its own functions"
)(run_in_edms)


def preflight_restore(run: Run, database: Database, captured: CapturedSchema, folder: Path) -> tuple[Finding, ...]:
    """Findings on what a restore of this schema to its own server would leave out, or why it would be refused."""
    if database.address.recorded_owner:  # its functions must not run as anybody but its own role
        return (make_finding("restore-not-tried", database.address.recorded_owner),)
    found = run.call(try_the_schema, database, captured, folder)
    return tuple(findings_of(found, _unknown(run, found.needs_the_edms)))


def notes_on_the_edms(run: Run, needs: Sequence[NeedsTheEdms], where: str) -> tuple[str, ...]:
    """The notes of a restore on functions and collations that only the EDMS has. Raises CheckFailed if a restore would."""
    asked = [one for one in needs if one.is_asked]
    unknown = _unknown(run, asked)
    is_computed = any(one.is_computed for one in asked)
    problems = list(dict.fromkeys(unknown.values()))
    return (note_of_unknown("; ".join(problems), is_computed=is_computed, where=where),) if problems else ()


def _unknown(run: Run, needs: Sequence[NeedsTheEdms]) -> Mapping[str, str]:
    """Name of index -> why the EDMS's connection cannot create it in a database in memory."""
    if not needs:
        return {}
    wanted = [(one.name, list(one.statements)) for one in needs]
    program = _PROGRAM.format(alias=run.settings.edms.database, wanted=wanted, answer=_ANSWER)
    try:
        answer = run.call(ask_for_functions, run.settings, ["shell", "-c", program], database_name=":memory:")
    except EdmsBackupError as error:
        return {one.name: error.what for one in needs}
    for line in reversed(answer.stdout.splitlines()):
        if line.startswith(_ANSWER):
            problems: dict[str, str] = json.loads(line.removeprefix(_ANSWER))
            return problems
    said = (answer.stderr or answer.stdout or answer.why).strip()
    return {one.name: said[-300:] or f"exit code {answer.returncode}" for one in needs}
