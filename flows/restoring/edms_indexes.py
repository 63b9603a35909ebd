"""Build indexes over the EDMS's own functions and collations, with the EDMS's own connection."""

from __future__ import annotations

from edms_tasks.databases.protocol import StagingDatabase
from flows.running.run import Run
from flows.tasks.statements_in_the_edms import problem_in_the_edms


def build_indexes_in_the_edms(run: Run, staging: StagingDatabase) -> None:
    """Run the statements that the staging database left to the EDMS, if any. Raises CheckFailed."""
    if staging.left_to_the_edms:
        staging.completed_by_the_edms(problem_in_the_edms(run, staging.left_to_the_edms, staging.address.name))
