"""Verify: check the order of snapshots and that every object is there; read all objects again, a part of them, or none.

`structure`: manifests, their order, and sizes of objects. `sample`: also some objects, against their hashes. Otherwise all: every
object of every snapshot, its hash, the rows and proofs of tables, and every file's content.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from edms_tasks.count_text import count_text
from edms_tasks.errors import CommandError, DamagedRepository, TerminalError
from edms_tasks.lineage.find_snapshot import chosen_snapshot, state_of
from edms_tasks.lineage.snapshot_source import open_source
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository
from edms_tasks.repository.seen_whole import Ages, SeenWhole
from edms_tasks.scratch.run_folder import run_folder
from flows.audit_trail import damaged_reports
from flows.evidence.artifacts import leave_verify
from flows.evidence.repository_log import LogFacts, logged
from flows.hooks.with_hooks import with_hooks
from flows.requests import VerifyRequest
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run
from flows.running.with_workers import with_workers
from flows.tasks.open_tasks import keep_while_reading
from flows.tasks.verify_tasks import verify_snapshot
from flows.verifying.listed_objects import (
    NamedObject,
    list_objects,
    missing_or_cut,
    named_objects,
    structure_problems,
)
from flows.verifying.reading_record import note_read
from flows.verifying.sampling import choose_sample, read_sample

Level = Literal["all", "sample", "structure"]


@dataclass(frozen=True)
class VerifyResult:
    """The result of a verification: what was read, and the problems."""

    snapshot_ids: tuple[str, ...]
    objects: int
    bytes: int
    problems: tuple[str, ...]
    seconds: dict[str, float]
    notes: tuple[str, ...] = ()  # about order and owner of snapshots, which are not damage
    level: Level = "all"
    newest: tuple[str, ...] = ()  # the last of each line of snapshots: those that no other one of these follows
    ages: Ages = field(default_factory=Ages)  # when the objects of these snapshots were last read
    looked_at: tuple[Mapping[str, object], ...] = ()  # each snapshot: what its manifest says, and how it was found

    @property
    def success(self) -> bool:
        """Whether something was verified and nothing was wrong."""
        return not self.problems and bool(self.snapshot_ids)

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: something is damaged, or there was nothing to verify. None if neither."""
        if self.success:
            return None
        return Shortfall("The verification of the repository failed.", self.problems or ("There is no snapshot.",))

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        facts = {
            "level": self.level,
            "snapshots": len(self.snapshot_ids),
            "objects": self.objects,
            "problems": len(self.problems),
            "newest": list(self.newest),
        }
        only = self.snapshot_ids[0] if len(self.snapshot_ids) == 1 else None
        return LogFacts(self.success, snapshot=only, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": self.success,
            "level": self.level,
            "snapshots": list(self.snapshot_ids),
            "objects": self.objects,
            "bytes": self.bytes,
            "problems": list(self.problems),
            "last_read": self.ages.as_json(),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


@flow(
    name="edms-verify",
    description="Reads every object of one snapshot, or of all, and compares hashes, rows and digests; or a part of them, or none.",
    repeatable=True,
)
@with_hooks("verify")
@logged("verify")
@with_workers
def verify(run: Run, request: VerifyRequest) -> VerifyResult:
    """Verify one snapshot or all of them; fails if something is damaged."""
    if request.structure and request.sample is not None:
        raise CommandError("A verification is of the structure alone or of a sample, not both.", fix="Choose one.")
    level: Level = "structure" if request.structure else "sample" if request.sample is not None else "all"
    repository, name = open_source(run.settings, request.snapshot or "")
    seen = SeenWhole(run.settings.workdir, repository.place)
    chosen, notes, problems = _chosen(run, repository, name or None)
    manifests: dict[str, Manifest] = {}
    unnoted: list[str] = []
    with ExitStack() as cleanup:
        notes += keep_while_reading(repository, chosen, "verification", cleanup)
        for snapshot_id in chosen:
            try:
                manifests[snapshot_id] = repository.read_manifest(snapshot_id)
            except DamagedRepository as damage:  # damaged manifests are problems, not crashes
                problems.append(str(damage))
        objects, wrong = named_objects(repository, manifests), set[str]()
        if level == "all":
            problems += _read_all(run, repository, manifests, seen, cleanup, unnoted)
            read = list(objects.values())
            if not name:
                with run.stage("reports"):
                    problems += damaged_reports(repository)
        else:
            percent = request.sample if level == "sample" else None
            read = _look(run, repository, objects, seen, problems, wrong, unnoted, percent)
    result = VerifyResult(
        snapshot_ids=tuple(chosen),
        objects=len(read),
        bytes=sum(one.ref.size for one in read),
        problems=tuple(problems),
        seconds=run.seconds,
        notes=(*notes, *unnoted[:1]),
        level=level,
        newest=tuple(sorted(set(manifests) - {one.previous for one in manifests.values()})),
        ages=seen.ages(objects),
        looked_at=tuple(_found(repository, one, manifests.get(one), level, problems, wrong) for one in chosen),
    )
    leave_verify(run, result)
    return result


def _found(
    repository: Repository,
    snapshot_id: str,
    manifest: Manifest | None,
    level: Level,
    problems: Sequence[str],
    wrong: Collection[str],
) -> dict[str, object]:
    """A line on a snapshot for the report: nothing is said to be read that was not, or to be sound that shares a wrong object."""
    if manifest is None:
        return {"snapshot": snapshot_id, "found": "its manifest is damaged"}
    if level == "all":
        own = sum(problem.startswith(f"snapshot {snapshot_id[:12]}: ") for problem in problems)
    else:
        own = sum(repository.stored_name(ref) in wrong for ref in manifest.objects().values()) if wrong else 0
    sound = {"all": "all rows and files read, and equal", "sample": "structure sound", "structure": "structure sound"}
    return {
        "snapshot": snapshot_id,
        "created": f"{manifest.created:%Y-%m-%d %H:%M:%S} UTC",
        "tables": len(manifest.tables),
        "rows": manifest.rows,
        "files": sum(index.files for index in manifest.files),
        "found": count_text(own, "problem") if own else sound[level],
    }


def _read_all(
    run: Run,
    repository: Repository,
    manifests: dict[str, Manifest],
    seen: SeenWhole,
    cleanup: ExitStack,
    unnoted: list[str],
) -> list[str]:
    """Read every object of the snapshots; returns the problems, and adds to `unnoted` why it could not be noted."""
    folder = cleanup.enter_context(run_folder(run.settings.scratch, "verify"))
    problems = []
    for snapshot_id, manifest in manifests.items():
        with run.stage(f"verify {snapshot_id[:12]}"):
            (folder / snapshot_id[:12]).mkdir()
            found = verify_snapshot(run, repository, manifest, folder / snapshot_id[:12])
            problems += [f"snapshot {snapshot_id[:12]}: {problem}" for problem in found]
            with _noting(unnoted):
                note_read(seen, repository, manifest, is_right=not found)
    return problems


def _look(
    run: Run,
    repository: Repository,
    objects: dict[str, NamedObject],
    seen: SeenWhole,
    problems: list[str],
    wrong: set[str],
    unnoted: list[str],
    percent: float | None,
) -> list[NamedObject]:
    """Check the structure, and read a sample if `percent` says so; returns what was read.

    Adds to `problems`, to `unnoted`, and to `wrong` the names of objects that are missing, cut or damaged.
    """
    with run.stage("structure"):
        there = run.call(list_objects, repository)
        missing, other = missing_or_cut(repository, objects, there)
        problems += structure_problems(missing, other, there)
        wrong.update(one.name for one in (*missing, *other))
        with _noting(unnoted):
            seen.forget_all_but(there)
    if percent is None:
        return []
    with run.stage("sample"):
        sample = choose_sample({name: one for name, one in objects.items() if name in there}, seen, percent)
        read = read_sample(run, repository, sample)
        with _noting(unnoted):
            seen.note(read.whole, read.problems)
    problems += [f"{objects[name]}: {problem}" for name, problem in read.problems.items()]
    wrong.update(read.problems)
    return sample


@contextmanager
def _noting(unnoted: list[str]) -> Iterator[None]:
    """What was found counts, whether or not it can be noted that it was read."""
    try:
        yield
    except TerminalError as error:
        unnoted.append(f"{error.what} {error.where}: {error.why}")


def _chosen(run: Run, repository: Repository, name: str | None) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """The ids of the snapshots to read, notes, and problems with their order and completeness."""
    if name is not None:
        one = chosen_snapshot(run.settings, repository, name)
        return (one.snapshot_id,), one.notes, []
    state = state_of(run.settings, repository)
    damaged = [f"{name}: the manifest is damaged" for name in state.survey.damaged]
    return state.survey.order, state.notes, [*damaged, *state.problems]
