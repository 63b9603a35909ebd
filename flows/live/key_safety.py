"""Check before it matters that the recovery key will be there when it is needed, and that nobody else has it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from edms_tasks.errors import EdmsBackupError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings
from flows.live.live_target import live_folders


def key_findings(settings: Settings, report: ProbeReport | None = None) -> Iterator[Finding]:
    """Findings on the repository's keys. Without a repository there are none: `init` makes it, and its keys."""
    try:
        if not Repository.is_at(settings.repository):
            return
        repository = Repository.open(settings.repository)
    except EdmsBackupError as error:
        said = " ".join(part for part in (error.what, error.why) if part)
        yield make_finding("repository-unusable", error.where, f"{said} A backup would fail.", fix=error.fix)
        return
    if repository.keys.note:
        yield make_finding("write-key-outdated", repository.display, repository.keys.note)
    if not repository.is_encrypted:
        yield make_finding(
            "repository-not-encrypted", repository.display, "Whoever reads this folder or bucket reads the documents."
        )
        return
    write_key = settings.repository.write_key
    if write_key is not None and stat.S_IMODE(write_key.stat().st_mode) & 0o077:
        yield make_finding(
            "write-key-exposed",
            str(write_key),
            "Other users of this machine may read the write key, and make backups in its name.",
            fix=f"chmod 600 {write_key}",
        )
    identity = settings.repository.identity
    if identity is not None and identity.exists():
        yield from _of_the_file(identity, repository, settings, report)


def _of_the_file(
    identity: Path, repository: Repository, settings: Settings, report: ProbeReport | None
) -> Iterator[Finding]:
    """Findings on a recovery key on this machine."""
    place = repository.local_folder
    if place is not None and identity.stat().st_dev == place.stat().st_dev:
        yield make_finding(
            "recovery-key-beside-repository",
            str(identity),
            f"The recovery key and the repository ({place}) are on the same disk.",
        )
    folders = dict(live_folders(settings, report)) if report is not None else {}
    if place is not None:
        folders["the repository"] = place
    for name, folder in folders.items():
        if identity.resolve().is_relative_to(folder.resolve()):
            message = f"The recovery key is inside {name} ({folder}): whoever gets a copy of that folder has the key."
            yield make_finding("recovery-key-exposed", str(identity), message)
    if stat.S_IMODE(identity.stat().st_mode) & 0o077:
        yield make_finding(
            "recovery-key-exposed",
            str(identity),
            "Other users of this machine may read the recovery key.",
            fix=f"chmod 600 {identity}",
        )


def keys_to_keep(settings: Settings) -> str:
    """What the keys of a new repository are, and where to keep them."""
    repository = Repository.open(settings.repository)
    if not repository.is_encrypted:
        return "none: the repository is NOT ENCRYPTED; whoever reads it reads the documents"
    write_key, identity = settings.repository.write_key, settings.repository.identity
    if identity is None or not identity.exists():
        return f"this machine makes backups with {write_key}, and cannot read them: the recovery key is elsewhere"
    if write_key is None:
        return (
            f"{identity} opens the backups. This machine has no write key, so it makes none: `edms-backup key writer FILE`, and its "
            "name into [repository] write_key"
        )
    beside = any(one.code == "recovery-key-beside-repository" for one in key_findings(settings))
    where = " It is on the repository's disk: lose that, and all is lost." if beside else ""
    return (
        f"{identity} opens the backups. COPY IT to another place now (`edms-backup key print` for paper); without it nothing can be "
        f"restored.{where} {write_key} makes backups, and reads none"
    )
