"""The entries in the log that killed runs owe, and what people are to be told of them: the next run on the same machine does both.

A run that replaced the live system and was killed before its report has the entry of a restore or rollback that succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edms_tasks.errors import EdmsBackupError, RepositoryForbidden, RepositorySealed
from edms_tasks.json_text import parsed_json
from edms_tasks.package import versions
from edms_tasks.promotion import Promotion
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import AuditLog, LogEntry, Witness
from edms_tasks.scratch.owed_by_runs import left_by_killed_runs, owed
from edms_tasks.signalling.signal import Signal
from flows.evidence.run_signals import tell_killed
from flows.live.live_target import journal_of
from flows.running.run import Run

_FOLDER = "unfinished"


@dataclass(frozen=True)
class _Killed:
    event: str
    began: datetime
    repository: str
    edms: str
    run: str
    facts: dict[str, Any]

    @property
    def said(self) -> str:
        return f"The {self.event} of {self.began:%Y-%m-%d %H:%M} UTC was killed"


@contextmanager
def owing_an_entry(run: Run, event: str, request: object) -> Iterator[None]:
    """Remember on disk, for as long as the block runs, that this run owes an entry."""
    asked = {"asked_for": str(named)} if (named := getattr(request, "snapshot", None)) else {}
    said = {
        "event": event,
        "began": datetime.now(UTC).isoformat(),
        "repository": run.settings.repository.url,
        "edms": run.settings.edms.id,
        "run": run.origin.run,
        "facts": {**run.origin.facts(), **asked},
    }
    with ExitStack() as owing:
        # Where nothing can be remembered, a run that needs the folder says so itself.
        with suppress(OSError):
            owing.enter_context(owed(run.settings.workdir / _FOLDER, json.dumps(said)))
        yield


def note_killed_runs(run: Run) -> None:
    """Add the entries that killed runs of this repository owe, and tell people. What cannot be written is said, and tried again."""
    folder = run.settings.workdir / _FOLDER
    try:
        for path in left_by_killed_runs(folder):
            _settle(run, path)
    except OSError as error:
        run.say(f"! Whether runs were killed is not known: {folder}: {error.strerror}")


def _read(path: Path) -> _Killed:
    said = parsed_json(path.read_text(encoding="utf-8"))
    began = datetime.fromisoformat(said["began"])
    return _Killed(said["event"], began, said["repository"], said["edms"], said["run"], dict(said["facts"]))


def _settle(run: Run, path: Path) -> None:
    try:
        killed = _read(path)
    except (ValueError, KeyError, TypeError) as error:
        run.say(f"! What a killed run left cannot be read, and is removed: {path}: {error}")
        path.unlink(missing_ok=True)
        return
    if killed.repository != run.settings.repository.url:
        return  # its own runs tell of it
    try:
        promoted = next((one for one in journal_of(run.settings).read() if one.run == killed.run), None)
        if promoted is not None and promoted.state == "started":
            return  # the next restore or rollback finishes it, or finds that it never began
        repository = Repository.open(run.settings.repository)
        entry, told = _entry_of(repository.log, killed), True
        if entry is None:
            number = _append(repository, killed, promoted).number
            run.say(f"! {_what(killed, promoted)} The log of the repository has an entry on it now.")
            told = _tell(run, killed, promoted, number)
        elif entry.facts.get("killed"):  # by a run that was killed before it told of it, or reached nobody
            told = _tell(run, killed, promoted, entry.number)
    except (RepositoryForbidden, RepositorySealed) as failure:
        run.say(f"! {killed.said}, and this role may not write that into the log: {failure.what}")
        told = _tell(run, killed, promoted, None)
    except EdmsBackupError as failure:
        run.say(f"! {killed.said}, and that is not in the log yet: {failure.what} {failure.why}".rstrip())
        return
    if told:
        path.unlink(missing_ok=True)


def _tell(run: Run, killed: _Killed, promoted: Promotion | None, entry: int | None) -> bool:
    signal = Signal(
        verb=killed.event,
        level="failure" if promoted is None else "warning",
        at=datetime.now(UTC),
        seconds=0.0,
        edms=killed.edms or "",
        host=run.origin.host,
        run=killed.run,
        verdict="KILLED",
        what=_what(killed, promoted),
        snapshot=promoted.snapshot_id if promoted is not None else "",
        entry=entry,
    )
    return tell_killed(run, signal)


def _append(repository: Repository, killed: _Killed, promoted: Promotion | None) -> Witness:
    facts: dict[str, Any] = {
        "what": _what(killed, promoted),
        "began": f"{killed.began:%Y-%m-%dT%H:%M:%SZ}",
        "killed": True,
    }
    if promoted is not None:
        evidence = promoted.evidence
        measured = {"verdict": evidence.verdict, "rows": evidence.rows, "files": evidence.files} if evidence else {}
        facts |= {**measured, "promoted": True, "target": promoted.database}
    return repository.log.append(
        killed.event,
        "stopped" if promoted is None else "success",
        version=versions()["edms-backup"],
        edms=killed.edms,
        snapshot=(promoted.snapshot_id or None) if promoted is not None else None,
        facts={**killed.facts, **facts},
    )


def _what(killed: _Killed, promoted: Promotion | None) -> str:
    if promoted is not None:
        return f"{killed.said} before its report, after it had replaced the live system at {promoted.stamp}."
    if killed.event == "merge":
        return (
            f"{killed.said}: it wrote all or nothing, and which of the two is not known. `edms-backup diff` shows it."
        )
    return f"{killed.said} before its end."


def _entry_of(log: AuditLog, killed: _Killed) -> LogEntry | None:
    """The entry on the run: it may have written one before it was killed, or another run did."""
    for entry in log.backwards():
        if entry.at < killed.began:
            return None
        if entry.event == killed.event and entry.facts.get("run") == killed.run:
            return entry
    return None
