"""Drill: restore a snapshot into a throwaway database and folders, try it as its owner would, measure, and remove everything.

The restore is that of `restore --into`. Nothing of the live system is written to. What a killed drill leaves is marked as ours,
and removed by the next drill or restore.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edms_tasks.errors import CheckFailed, CommandError, EdmsBackupError
from edms_tasks.periods import seconds_of
from edms_tasks.report.drill_facts import DrillFacts, Measured
from flows.drilling.acceptance import require_reachable_folder, run_acceptance
from flows.drilling.drill_folder import drill_folder
from flows.drilling.drilled_snapshot import choose_for_drill
from flows.drilling.recovery_point import RecoveryPoint, recovery_point
from flows.evidence.repository_log import LogFacts, logged, record_failure
from flows.hooks.with_hooks import with_hooks
from flows.requests import DrillRequest, RestoreRequest
from flows.restore import BeforeValidation, restore_snapshot
from flows.restoring.restore_result import RestoreResult
from flows.restoring.throwaway_copy import ThrowawayCopy
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run
from flows.running.with_workers import with_workers

_NAME = "edms_drill_"


@dataclass(frozen=True)
class DrillResult:
    """How a drill ended, and its evidence."""

    restored: RestoreResult

    @property
    def problems(self) -> tuple[str, ...]:
        """Why it failed, the most important first; none if it passed."""
        drill = self.restored.drill
        if self.restored.verdict != "proved" or drill is None:
            return self.restored.failures or ("The restored data does not equal the snapshot.",)
        return drill.problems

    @property
    def success(self) -> bool:
        """Whether the copy equals the snapshot, every command passed on it, and the targets were met."""
        return not self.problems

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed; None if it passed."""
        return Shortfall("The drill failed.", self.problems) if self.problems else None

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        drill = self.restored.drill
        facts: dict[str, Any] = {
            "verdict": self.restored.verdict,
            "rows": self.restored.rows,
            "files": self.restored.files,
        }
        if drill is not None:
            facts |= {
                "commands": len(drill.commands),
                "commands_failed": sum(not one.passed for one in drill.commands),
                "rto_seconds": drill.rto.as_json()["seconds"],
                "rpo_seconds": drill.age.as_json()["seconds"],
                "widest_gap_seconds": drill.widest_gap.as_json()["seconds"],
                "chosen": drill.chosen,
            }
        if self.problems:
            facts["what"] = self.problems[0][:500]
        return LogFacts(self.success, snapshot=self.restored.snapshot_id, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        restored = self.restored
        return {
            "snapshot": restored.snapshot_id,
            "success": self.success,
            "verdict": restored.verdict,
            "problems": list(self.problems),
            "drill": restored.drill.as_json() if restored.drill else None,
            "rows": restored.rows,
            "files": restored.files,
            "report_html": str(restored.report_html),
            "report_json": str(restored.report_json),
            "data_docs": str(restored.data_docs),
            "notes": list(restored.notes),
            "seconds": restored.seconds,
        }


@dataclass(frozen=True)
class _Acceptance:
    """The trial of a restored copy: the owner's commands, and the targets."""

    the_run: Run
    chosen: str
    began: datetime
    at_risk: RecoveryPoint
    elapsed: Callable[[], float]

    def run(self, copy: ThrowawayCopy, notes: list[str]) -> DrillFacts:
        settings = self.the_run.settings.drill
        if copy.report is None and settings.commands:
            raise CheckFailed(
                "The acceptance commands could not be run, because the EDMS's code does not run.",
                where="[edms]",
                fix="Fix [edms]: a restore without the EDMS's code proves the data, and not that anybody can work with it.",
            )
        with self.the_run.stage("accept"):
            commands = run_acceptance(self.the_run, copy)
        if not commands:
            notes.append("No acceptance command is set ([drill] commands): nobody has used the copy.")
        reached = self.elapsed() if all(one.passed for one in commands) else None
        rto, rpo = (None if text is None else seconds_of(text) for text in (settings.rto, settings.rpo))
        return DrillFacts(
            began=self.began,
            chosen=self.chosen,
            commands=commands,
            rto=Measured(reached, rto),
            age=Measured(self.at_risk.age, rpo),
            widest_gap=Measured(self.at_risk.widest_gap, None if self.at_risk.widest_gap is None else rpo),
        )


@flow(
    name="edms-drill",
    flow_run_name="drill {snapshot}",
    description="Restores a snapshot into a throwaway database and folders, validates it, runs the acceptance commands, and removes all.",
)
@with_hooks("drill")
@logged("drill")
@with_workers
def drill(run: Run, request: DrillRequest) -> DrillResult:
    """Restore a snapshot beside the live system, try it, measure how long that took, and remove it.

    Raises:
        CommandError, SettingsError: the request or the settings contradict themselves; nothing was done.
        CheckFailed: the EDMS's own `migrate` or `check` failed on the copy.
        DamagedRepository, RepositorySealed, MayNotCreateDatabases, NoSpace, SnapshotNewerThanCode, …: a restore would have failed,
            too. The live system is untouched, and nothing is left.
    """
    try:
        return drill_snapshot(run, request)
    except EdmsBackupError as error:
        # A missing key, snapshot or EDMS is what a drill is to find; for other verbs it is a command that was used wrongly.
        if error.exit_code == CommandError.exit_code and not isinstance(error, CommandError):
            record_failure(run, "drill", error, request)
        raise


def drill_snapshot(
    run: Run, request: DrillRequest, before_validation: BeforeValidation = lambda staging, folders: None
) -> DrillResult:
    """Drill. `before_validation` gets the restored database and folders; tests damage them there."""
    began, now = time.monotonic(), datetime.now(UTC)
    require_reachable_folder(run.settings)
    chosen = choose_for_drill(run.settings, request)
    at_risk = recovery_point(run.settings, now)
    with drill_folder(run.settings.drill.folder or run.settings.workdir) as folder:
        trial = _Acceptance(run, chosen.how, now, at_risk, lambda: time.monotonic() - began)
        name = folder / f"{_NAME}{secrets.token_hex(4)}"  # on a server, the last part of it
        restore = RestoreRequest(snapshot=chosen.name, into=str(name), into_files=folder / "files")
        result = restore_snapshot(run, restore, before_validation, trial)
    return DrillResult(result)
