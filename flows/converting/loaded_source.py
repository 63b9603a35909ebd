"""An old backup in a throwaway database as the source of the ordinary backup, so that all its proofs apply."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import EdmsNotImportable
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.legacy.old_backup import OldBackup
from edms_tasks.legacy.root_mapping import map_folders
from edms_tasks.lineage.owner import KnownEdms, known_edms
from edms_tasks.lineage.reopen_repository import reopen
from edms_tasks.manifest import ConvertedFrom
from flows.backing_up.make_snapshot import BackupSource, LoadedBackup
from flows.running.run import Run


def source_of_old(
    run: Run,
    address: DatabaseAddress,
    old: OldBackup,
    findings: tuple[Finding, ...],
    path: Path,
    *,
    report: ProbeReport,
    chosen: Mapping[str, str] | None = None,
) -> BackupSource:
    """The throwaway database and the unpacked folders as the source of a snapshot.

    Args:
        run: the run.
        address: the throwaway database.
        old: the old backup, with its folders unpacked.
        findings: what was found while it was loaded.
        path: the old backup's file or folder.
        report: the report on the throwaway database, by the EDMS's code or without it.
        chosen: path in the old backup -> name of a root of files.
    """
    settings = run.settings
    mapped = map_folders(old.folders, named_folders(settings, report), chosen or {})
    found = (*old.findings, *findings, *mapped.findings)
    origin = ConvertedFrom(
        format=old.recognised.format,
        name=path.name,
        sha256=_sha256(path),
        bytes=path.stat().st_size if path.is_file() else 0,
        facts={**old.facts},
        exact=not old.inexact and not any(one.code == "old-milliseconds" for one in found),
        made=old.made,
        losses=sum(one.severity == "error" for one in found),
    )
    this_edms = _edms(run, report)
    return BackupSource(
        report=report,
        database=open_database(address),
        this_edms=this_edms,
        reopened=reopen(settings, this_edms),
        old=LoadedBackup(origin, mapped.folders, found, has_files=bool(old.folders)),
    )


def _edms(run: Run, report: ProbeReport) -> KnownEdms:
    """The EDMS of the settings, to which the snapshot belongs."""
    try:
        return known_edms(run.settings, run.ask(run.settings))
    except EdmsNotImportable:
        return known_edms(run.settings, report)


def _sha256(path: Path) -> str | None:
    import hashlib

    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
