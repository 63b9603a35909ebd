"""Verify: read every object of a snapshot (or of all of them) again and check hashes, rows, digests and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edms_tasks.errors import DamagedRepository
from edms_tasks.lineage.asking import chosen_snapshot, state_of
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import Settings
from flows.evidence.artifacts import leave_verify
from flows.running.runner import Steps
from flows.tasks.verify_snapshot import verify_snapshot


@dataclass(frozen=True)
class VerifyResult:
    """What a verification read, and what was wrong."""

    snapshot_ids: tuple[str, ...]
    objects: int
    bytes: int
    problems: tuple[str, ...]
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()  # of order and owner, which no byte of a snapshot is wrong for

    @property
    def success(self) -> bool:
        """Nothing was wrong, and something was read."""
        return not self.problems and bool(self.snapshot_ids)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "success": self.success,
            "snapshots": list(self.snapshot_ids),
            "objects": self.objects,
            "bytes": self.bytes,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


def compose_verify(settings: Settings, steps: Steps, *, snapshot: str | None = None) -> VerifyResult:
    """Verify one snapshot, or every one where none is named. Damaged manifests are problems, not crashes."""
    repository = Repository.open(settings.repository)
    problems: list[str] = []
    if snapshot is None:
        state = state_of(settings, repository)
        chosen: tuple[str, ...] = state.survey.order
        problems += [f"{name}: the manifest is damaged" for name in state.survey.damaged]
        problems += state.problems
        notes = state.notes
    else:
        one = chosen_snapshot(settings, repository, snapshot)
        chosen, notes = (one.snapshot_id,), one.notes
    objects: dict[str, int] = {}
    with run_folder(settings.workdir, "verify") as folder:
        for snapshot_id in chosen:
            with steps.stage(f"verify {snapshot_id[:12]}"):
                try:
                    manifest = Manifest.from_json(repository.read_snapshot(snapshot_id), where=snapshot_id)
                except DamagedRepository as damage:
                    problems.append(str(damage))
                    continue
                objects |= {name: ref.size for name, ref in manifest.objects().items()}
                (folder / snapshot_id[:12]).mkdir()
                found = verify_snapshot(settings, steps, repository, manifest, folder / snapshot_id[:12])
                problems += [f"snapshot {snapshot_id[:12]}: {problem}" for problem in found]
    result = VerifyResult(
        snapshot_ids=tuple(chosen),
        objects=len(objects),
        bytes=sum(objects.values()),
        problems=tuple(problems),
        seconds=dict(steps.seconds),
        notes=notes,
    )
    leave_verify(steps, result)
    return result
