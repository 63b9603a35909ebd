"""Verify: read every object of a snapshot (or of all of them) again and check hashes, rows, digests and files."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from edms_tasks.errors import DamagedRepository
from edms_tasks.lineage.find_snapshot import chosen_snapshot, state_of
from edms_tasks.repository import Repository
from edms_tasks.scratch.run_folder import run_folder
from flows.evidence.artifacts import leave_verify
from flows.evidence.repository_log import LogFacts, logged
from flows.requests import VerifyRequest
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run
from flows.tasks.open_tasks import keep_while_reading
from flows.tasks.verify_tasks import verify_snapshot


@dataclass(frozen=True)
class VerifyResult:
    """The result of a verification: what was read, and the problems."""

    snapshot_ids: tuple[str, ...]
    objects: int
    bytes: int
    problems: tuple[str, ...]
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()  # about order and owner of snapshots, which are not damage

    @property
    def success(self) -> bool:
        """Whether something was read and nothing was wrong."""
        return not self.problems and bool(self.snapshot_ids)

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: something is damaged, or there was nothing to verify. None if neither."""
        if self.success:
            return None
        return Shortfall("The verification of the repository failed.", self.problems or ("There is no snapshot.",))

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        facts = {"snapshots": len(self.snapshot_ids), "objects": self.objects, "problems": len(self.problems)}
        only = self.snapshot_ids[0] if len(self.snapshot_ids) == 1 else None
        return LogFacts(self.success, snapshot=only, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": self.success,
            "snapshots": list(self.snapshot_ids),
            "objects": self.objects,
            "bytes": self.bytes,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


@flow(
    name="edms-verify",
    description="Reads every object of one snapshot, or of all, and compares hashes, rows and digests.",
    repeatable=True,
)
@logged("verify")
def verify(run: Run, request: VerifyRequest) -> VerifyResult:
    """Verify one snapshot or all of them; fails if something is damaged."""
    repository = Repository.open(run.settings.repository)
    chosen, notes, problems = _chosen(run, repository, request.snapshot)
    objects: dict[str, int] = {}
    with ExitStack() as cleanup:
        notes += keep_while_reading(repository, chosen, "verification", cleanup)
        folder = cleanup.enter_context(run_folder(run.settings.workdir, "verify"))
        for snapshot_id in chosen:
            with run.stage(f"verify {snapshot_id[:12]}"):
                try:
                    manifest = repository.read_manifest(snapshot_id)
                except DamagedRepository as damage:  # damaged manifests are problems, not crashes
                    problems.append(str(damage))
                    continue
                objects |= {name: ref.size for name, ref in manifest.objects().items()}
                (folder / snapshot_id[:12]).mkdir()
                found = verify_snapshot(run, repository, manifest, folder / snapshot_id[:12])
                problems += [f"snapshot {snapshot_id[:12]}: {problem}" for problem in found]
    result = VerifyResult(
        snapshot_ids=tuple(chosen),
        objects=len(objects),
        bytes=sum(objects.values()),
        problems=tuple(problems),
        seconds=run.seconds,
        notes=notes,
    )
    leave_verify(run, result)
    return result


def _chosen(run: Run, repository: Repository, name: str | None) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """The ids of the snapshots to read, notes, and problems with their order and completeness."""
    if name is not None:
        one = chosen_snapshot(run.settings, repository, name)
        return (one.snapshot_id,), one.notes, []
    state = state_of(run.settings, repository)
    damaged = [f"{name}: the manifest is damaged" for name in state.survey.damaged]
    return state.survey.order, state.notes, [*damaged, *state.problems]
