"""Copy: bring a second copy of the repository up to date, and read back what was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edms_tasks.errors import CommandError
from edms_tasks.repository import Repository, is_encrypted
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.mirror import Mirrored, mirror, require_copy_or_nothing
from edms_tasks.settings import RepositorySettings, Settings
from flows.evidence.artifacts import leave_copy
from flows.evidence.repository_log import LogFacts, logged
from flows.hooks.with_hooks import with_hooks
from flows.requests import CopyRequest
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run


@dataclass(frozen=True)
class CopyResult:
    """What was copied, and what could not be."""

    source: str
    target: str
    snapshots: tuple[str, ...]
    files: int
    bytes: int
    already: int
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: dict[str, float]
    complete: bool = True  # the copy has everything that is there; the source may have lost snapshots

    @property
    def success(self) -> bool:
        """Whether the copy has everything that the repository has, and that has lost no snapshot."""
        return not self.problems

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: files that could not be copied. None if there are none."""
        if self.success:
            return None
        return Shortfall(
            "The copy is complete, the source is not." if self.complete else "The copy is not complete.", self.problems
        )

    def log_facts(self) -> LogFacts:
        """What the repository's log says of it."""
        facts = {"to": self.target, "snapshots": len(self.snapshots), "files": self.files, "bytes": self.bytes}
        return LogFacts(self.success, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "success": self.success,
            "source": self.source,
            "target": self.target,
            "snapshots": list(self.snapshots),
            "files": self.files,
            "bytes": self.bytes,
            "already_there": self.already,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "seconds": self.seconds,
        }


@task(name="copy repository", tags=["copy"])
def copy_repository(run: Run, place: RepositorySettings) -> Mirrored:
    """Copy every stored file that the target lacks, and read it back. The repository is not opened, which would need a key."""
    source, target = open_backend(run.settings.repository), open_backend(place)
    named_by_content = not is_encrypted(run.settings.repository)
    require_copy_or_nothing(source, target)
    target.require_immutable()
    with run.progress("files of the repository") as advance:
        return mirror(
            source,
            target,
            named_by_content=named_by_content,
            jobs=run.settings.jobs,
            expect=advance.expect,
            progress=advance,
        )


def _require_no_password(request: CopyRequest) -> None:
    """Refuse a URL with a password: Prefect would record it."""
    if request.to is not None and urlsplit(request.to).password is not None:
        raise CommandError(
            "The URL of the copy has a password, which Prefect would record.",
            where="to",
            fix="Set [copy] url and options in the settings or the environment of the worker.",
        )


@flow(
    name="edms-copy",
    description="Brings a second copy of the repository up to date, and reads back what was written.",
    repeatable=True,
    may_be_recorded=_require_no_password,
)
@with_hooks("copy")
@logged("copy")
def copy(run: Run, request: CopyRequest) -> CopyResult:
    """Copy what the second repository lacks. It needs no key, and removes nothing there.

    Raises:
        CommandError: no target is named.
        AnotherRepository, SettingsError: the target holds something else.
        RepositoryLocked: another run writes to the target.
    """
    place = _target(run.settings, request)
    if not Repository.is_at(run.settings.repository):
        Repository.open(run.settings.repository)  # it says what is missing
    with run.stage("copy"):
        made = run.call(copy_repository, run, place)
    result = CopyResult(
        source=open_backend(run.settings.repository).display,
        target=open_backend(place).display,
        snapshots=tuple(made.snapshots),
        files=made.files,
        bytes=made.bytes,
        already=made.already,
        problems=(*made.problems, *made.lost),
        notes=tuple(made.notes),
        seconds=run.seconds,
        complete=not made.problems,
    )
    leave_copy(run, result)
    return result


def _target(settings: Settings, request: CopyRequest) -> RepositorySettings:
    url = request.to or settings.copy_.url
    if url is None:
        raise CommandError(
            "No target for the copy is named.",
            fix="Set [copy] url in the settings, or name it: `edms-backup copy --to URL`.",
        )
    chosen = settings.copy_.model_dump(exclude={"url"})
    return RepositorySettings(**{**chosen, "url": url})
