"""Open the repository of a backup: the one that was used before, or a new one if there was none.

A nightly backup must not start a new repository because a disk is not mounted, nor continue in another repository or in
an older copy of its own because that has the same URL.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.errors import AnotherRepository, EdmsBackupError, SettingsError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.lineage.last_backup_record import BackupRecord, BackupRecords, remembered
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.repository import Repository, is_encrypted
from edms_tasks.settings import RepositorySettings, Settings

_FSTAB = Path("/etc/fstab")


@dataclass(frozen=True)
class Reopened:
    """The repository, the working folder's record of it, and notes."""

    repository: Repository
    witness: BackupRecord | None
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def reopen(settings: Settings, this_edms: KnownEdms, *, create: bool = False, accept: bool = False) -> Reopened:
    """Open the repository that was used before.

    Args:
        settings: the settings of this EDMS.
        this_edms: the EDMS that is backed up.
        create: create a repository if there is none, even if one was used before.
        accept: use the repository at the URL even if it is another one or an older copy.

    Raises:
        AnotherRepository: the repository that was used before is missing, or at its URL is another one or an older copy.
    """
    memory = remembered(settings.workdir)
    findings = tuple(make_finding("last-backup-unreadable", path) for path in memory.unreadable)
    if settings.files.config and not (Repository.is_at(settings.repository) and is_encrypted(settings.repository)):
        raise SettingsError(
            "Files of settings are not backed up into a repository that is not encrypted.",
            where=f"[files] config: {', '.join(map(str, settings.files.config))}",
            why="They may hold passwords and keys, which everybody who reads the repository would have.",
            fix="Make an encrypted repository with `edms-backup init`, or remove [files] config.",
        )
    try:
        repository = Repository.open(settings.repository)
    except EdmsBackupError:
        if Repository.is_at(settings.repository):
            raise
        repository, notes = _make(settings, this_edms, memory, create)
        return Reopened(repository, None, notes, findings)
    repository.require_write_key()
    witness = memory.of(this_edms.id, repository.identity)
    notes = (repository.keys.note,) if repository.keys.note else ()
    if settings.repository.id is None:
        notes += _compare(settings, this_edms, memory, repository, accept)
    if problem := repository.log.witness_problem():
        if accept:
            repository.log.accept()
            notes += (f"{problem} It is accepted, as requested.",)
        else:
            findings += (make_finding("log-shortened", repository.display, problem),)
    copies = settings.repository.copies
    own = copies / repository.identity / "keys" if copies is not None else None
    if problem := repository.keyring.problem(own, keep=True):
        findings += (make_finding("repository-keys-damaged", repository.display, problem),)
    if witness is not None:
        notes += _not_older(repository, this_edms, witness, accept)
    return Reopened(repository, witness, notes, findings)


def _make(
    settings: Settings, this_edms: KnownEdms, memory: BackupRecords, create: bool
) -> tuple[Repository, tuple[str, ...]]:
    """Create a repository, unless one was used before."""
    asked_for = settings.repository.model_copy(update={"id": None}) if create else settings.repository
    used = [one for one in memory.witnesses if one.identity.id == this_edms.id or one.url == _display(settings)]
    if not create and (settings.repository.id is not None or used):
        raise AnotherRepository(
            "The repository does not exist.",
            where=_display(settings),
            why=_what_is_there(settings.repository) + _what_was_used(settings, used),
            fix="Mount its disk, or fix [repository] url, and run the backup again. Only to start a new repository: `edms-backup backup "
            "--create-repository`"
            + (", and put its id into [repository] id." if settings.repository.id is not None else "."),
        )
    if (hint := _not_mounted(settings.repository)) and not create:
        raise AnotherRepository(
            "No repository is created here, because the disk is not mounted.",
            where=_display(settings),
            why=hint,
            fix="Mount it and run the backup again. To create one anyway: `--create-repository`.",
        )
    # `create` refuses a folder with other files, and a repository without its config.json.
    repository = Repository.create(asked_for)
    why = "as asked" if create else "no record of an earlier one was found"
    return repository, (
        f"A NEW REPOSITORY was made at {repository.display}: {why}. Its id is {repository.identity};"
        " put it into the settings as [repository] id, so that later backups accept no other.",
        "It is NOT ENCRYPTED: whoever reads it reads the documents. `edms-backup init` makes an encrypted one.",
    )


def _compare(
    settings: Settings, this_edms: KnownEdms, memory: BackupRecords, repository: Repository, accept: bool
) -> tuple[str, ...]:
    """Refuse a repository that this EDMS has never used, where it has used another."""
    used = [one for one in memory.witnesses if one.identity.id == this_edms.id or one.url == repository.display]
    if not used or any(one.repository == repository.identity for one in used):
        if used and used[0].repository != repository.identity:
            return (f"The last backup went into another repository ({used[0].url}, id {used[0].repository[:12]}).",)
        return ()
    if accept:
        return (f"Another repository than before, as requested. Its id is {repository.identity}.",)
    raise AnotherRepository(
        "This is not the repository that was used before.",
        where=repository.display,
        why=f"Its id is {repository.identity}." + _what_was_used(settings, used),
        fix=f"Mount the right disk or fix [repository] url. If you mean this one, set it in the settings: [repository] id ="
        f' "{repository.identity}", or once with `edms-backup backup --accept-repository`.',
    )


def _not_older(repository: Repository, this_edms: KnownEdms, witness: BackupRecord, accept: bool) -> tuple[str, ...]:
    """Refuse a copy of the repository that was made before the last backup."""
    record = repository.newest(this_edms.id or "")
    if record is not None and record.number >= witness.number:
        return ()  # without reading what there is, which is done once more under the lock
    found = repository.survey()
    head = found.heads.get(this_edms.id or "")
    there = {*found.known_links, *found.unreadable, *(link.previous for link in found.known_links.values())}
    if witness.snapshot in there or (head is not None and head.number >= witness.number):
        return ()
    newest = (
        f"its newest of this EDMS is number {head.number}" if head else "it has no record of a newest one of this EDMS"
    )
    if accept:
        lacking = f"{witness.snapshot[:12]} (number {witness.number})"
        return (f"The repository lacks snapshot {lacking}, which was made from here. It is accepted, as requested.",)
    raise AnotherRepository(
        "The repository is older than the last backup: it is an earlier copy, or snapshots were removed.",
        where=repository.display,
        why=f"The last backup from here, on {witness.at:%Y-%m-%d %H:%M} UTC, made snapshot {witness.snapshot[:12]}"
        f" (number {witness.number}). It is missing, and {newest}.",
        fix="Mount the right disk, or bring back the newer state of the repository. If that is lost for good, continue with this one: "
        "`edms-backup backup --accept-repository`.",
    )


def _what_was_used(settings: Settings, used: list[BackupRecord]) -> str:
    text = f" [repository] id is {settings.repository.id}." if settings.repository.id is not None else ""
    if used:
        last = used[0]
        text += (
            f" The last backup went into the repository {last.repository} at {last.url}, on {last.at:%Y-%m-%d %H:%M} UTC"
            f" (snapshot {last.snapshot[:12]}, number {last.number})."
        )
    return text


def _what_is_there(repository: RepositorySettings) -> str:
    if "://" in repository.url:
        return "There is no config.json."
    hint = _not_mounted(repository)
    if hint:
        return hint
    folder = Path(repository.url)
    if not folder.exists():
        return "There is no such folder."
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return f"It has no config.json, but {', '.join(names[:5])}." if names else "The folder is empty."


def _not_mounted(repository: RepositorySettings) -> str:
    """Which folder above the repository is a mount point in fstab without anything mounted on it; "" if there is none."""
    if "://" in repository.url:
        return ""
    try:
        lines = _FSTAB.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""  # no fstab, as in most containers
    points = {
        _unescaped(fields[1]) for line in lines if len(fields := line.split()) > 1 and not line.lstrip().startswith("#")
    }
    for folder in (Path(repository.url), *Path(repository.url).parents):
        if str(folder) in points - {"/"} and not os.path.ismount(folder):
            return f"{folder} is a mount point in {_FSTAB}, and nothing is mounted there."
    return ""


def _unescaped(field: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\134", "\\")):
        field = field.replace(code, sign)
    return field.rstrip("/") or "/"


def _display(settings: Settings) -> str:
    from edms_tasks.repository.backend import open_backend

    return open_backend(settings.repository).display
