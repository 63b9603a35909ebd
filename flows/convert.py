"""Convert: recognise an old backup of another tool, say what it holds and lacks, and make a snapshot of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edms_tasks.durable import NewFile, private_folder
from edms_tasks.errors import CommandError, UnreadableBackup
from edms_tasks.findings import GROUPS, make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.formats import READERS, reader_of, recognise
from edms_tasks.legacy.old_backup import OldBackup, Reader, Recognised, Scratch
from edms_tasks.legacy.source import Source
from edms_tasks.lineage.snapshot_tags import check_tag
from edms_tasks.scratch.run_folder import run_folder
from flows.backing_up.backup_result import BackupResult
from flows.backup import make_snapshot_of
from flows.converting.dump_source import DescribedDump, limits_of, restored_dump
from flows.converting.fixture_source import LoadedRows, loaded_rows
from flows.converting.loaded_source import source_of_old
from flows.evidence.repository_log import LogFacts, logged
from flows.requests import ConvertRequest
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run

_OF_OLD_BACKUPS = frozenset(kind.code for group in ("Old backups", "Dumps of an engine") for kind in GROUPS[group])


@dataclass(frozen=True)
class ConvertResult:
    """What an old backup holds and lacks, and the snapshot that was made of it."""

    path: Path
    old: OldBackup
    others: tuple[Recognised, ...]  # formats that it might also have
    findings: tuple[Finding, ...]
    snapshot_id: str = ""  # "" if it was only inspected
    made: BackupResult | None = None
    left_out: Path | None = None  # JSON lines of the rows that have no place in the code's tables

    @property
    def losses(self) -> tuple[Finding, ...]:
        """The findings that are losses."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def success(self) -> bool:
        """Whether all that the old backup held is there, and the snapshot was read back."""
        return self.shortfall() is None

    @property
    def not_verified(self) -> Shortfall | None:
        """Why the snapshot that was made cannot be relied on; None if it can, or if none was made."""
        return self.made.shortfall() if self.made is not None else None

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: what is lost, or that the snapshot could not be verified."""
        lost = tuple(f"{one.subject}: {one.message}" for one in self.losses)
        return self.not_verified or (Shortfall("Not everything is there.", lost) if lost else None)

    def log_facts(self) -> LogFacts | None:
        """What the repository's log says of it."""
        if not self.snapshot_id:
            return None
        facts = {
            "format": self.old.recognised.format,
            "rows": sum(rows.rows for rows in self.old.rows),
            "losses": len(self.losses),
        }
        return LogFacts(self.success, snapshot=self.snapshot_id, facts=facts)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        old = self.old
        return {
            "path": str(self.path),
            "format": old.recognised.format,
            "title": old.recognised.title,
            "confidence": old.recognised.confidence,
            "evidence": list(old.recognised.evidence),
            "other_formats": [one.format for one in self.others],
            "facts": dict(old.facts),
            "rows": {rows.model: rows.rows for rows in old.rows},
            "dump": old.dump.form if old.dump else None,
            "folders": {one.name: {"files": one.files, "bytes": one.bytes} for one in old.folders},
            "findings": [finding.as_json() for finding in self.findings],
            "losses": len(self.losses),
            "all_there": self.success,
            "snapshot": self.snapshot_id or None,
            "tag": self.made.manifest.tag if self.made else None,
            "verified": self.made.verified if self.made else None,
            "placed_rows": self.made.manifest.rows if self.made else None,
            "left_out": str(self.left_out) if self.left_out else None,
        }


@flow(
    name="edms-convert",
    flow_run_name="convert {path}",
    description="Recognises an old backup of another tool, says what it holds and lacks, and makes a snapshot of it.",
)
def convert(run: Run, request: ConvertRequest) -> ConvertResult:
    """Make a snapshot of an old backup; with `inspect`, only say what it is, what it holds, and what it lacks.

    Raises:
        CommandError: there is no such file or format.
        UnreadableBackup: it has no known format, or nothing in it can be read.
    """
    if request.inspect:
        with run_folder(run.settings.workdir, "convert") as folder:
            return _read(run, request, folder)
    return _make_snapshot(run, request)


@logged("convert")
def _make_snapshot(run: Run, request: ConvertRequest) -> ConvertResult:
    if request.tag is not None:
        check_tag(request.tag)
    with run_folder(run.settings.workdir, "convert") as folder:
        return _converted(run, request, _read(run, request, folder), folder)


def _read(run: Run, request: ConvertRequest, folder: Path) -> ConvertResult:
    """Recognise and read the old backup."""
    path = _existing(request.path)
    reader, others = _choose(path, request.format)
    scratch = Scratch(
        folder / "old",
        look_only=request.inspect,
        database=request.database or "",
        client_programs=str(run.settings.edms.client_programs or ""),
        limits=limits_of(run.settings, path),
        passphrase=secret.get_secret_value() if (secret := run.settings.convert.passphrase) else "",
    )
    scratch.folder.mkdir()
    with run.stage("read"):
        old = run.call(read_old_backup, path, reader, scratch)
    return ConvertResult(path, old, others, old.findings)


def _converted(run: Run, request: ConvertRequest, seen: ConvertResult, folder: Path) -> ConvertResult:
    """Load what was read into a throwaway database, and make a snapshot of that."""
    old = seen.old
    if old.dump is None and not any(rows.rows for rows in old.rows):
        raise UnreadableBackup(
            "The old backup holds no rows, so no snapshot can be made of it.",
            where=str(seen.path),
            why=" ".join(dict.fromkeys(one.message for one in old.losses)),
            fix="edms-backup convert FILE --inspect lists what it holds. docs/legacy.md says when to throw it away.",
        )
    with run.stage("load"), ExitStack() as loaded:
        source: AbstractContextManager[DescribedDump | LoadedRows] = (
            restored_dump(run, old.dump, folder) if old.dump else loaded_rows(run, old, request.schema, folder)
        )
        rows = loaded.enter_context(source)
        tag = request.tag or _tag_of(seen.path)
        of_old = source_of_old(
            run, rows.address, old, rows.findings, seen.path, report=rows.report, chosen=request.folders
        )
        made = make_snapshot_of(run, of_old, tag)
        kept = _keep_lists(run, made.snapshot_id, rows.left_out)
    found = [one for one in made.manifest.findings if one.code in _OF_OLD_BACKUPS]
    if old.folders:  # a backup without any files should not have held them
        found += [_missing(one) for one in made.manifest.findings if one.code == "missing-file"]
    return replace(seen, findings=tuple(found), snapshot_id=made.snapshot_id, made=made, left_out=kept)


def _missing(finding: Finding) -> Finding:
    what = "Rows name files that are not in the old backup."
    return make_finding("old-files-missing", finding.subject, what, count=finding.count, examples=finding.examples)


def _tag_of(path: Path) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name).strip("-.")[:40]
    return f"converted-{plain or 'backup'}"


def _keep_lists(run: Run, snapshot_id: str, lists: Sequence[Path]) -> Path | None:
    """Keep the rows that have no place as JSON lines; None if there are none."""
    if not lists:
        return None
    private_folder(run.settings.workdir / "left-out")
    kept = run.settings.workdir / "left-out" / f"{snapshot_id[:12]}.jsonl"
    with NewFile(kept) as file:
        for one in lists:
            with one.open("rb") as stream:
                while block := stream.read(1 << 20):
                    file.write(block)
        file.put_in_place()
    return kept


@task(name="read old backup", tags=["convert"], task_run_name="read {path.name}")
def read_old_backup(path: Path, reader: Reader, scratch: Scratch) -> OldBackup:
    """Read an old backup into the scratch folder, or only look at it."""
    return reader.read(Source(path), scratch)


def _existing(name: str | None) -> Path:
    if not name:
        raise CommandError(
            "No old backup is named.", fix="Name a file or a folder: edms-backup convert FILE --inspect."
        )
    path = Path(name).absolute()
    if not path.exists():
        raise CommandError("There is no such file or folder.", where=str(path), fix="Correct the path.")
    return path


def _choose(path: Path, wanted: str | None) -> tuple[Reader, tuple[Recognised, ...]]:
    """The reader of a file, and what else the file might be."""
    found = recognise(path)
    if wanted is not None:
        reader = reader_of(wanted)
        if reader not in [one for one, _ in found]:
            raise UnreadableBackup(
                f"This is no backup of the format {wanted}.",
                where=str(path),
                fix="Leave out --format: what it looks like is then said.",
            )
        return reader, tuple(seen for one, seen in found if one is not reader)
    if not found:
        size = Source(path).size
        why = "The file is empty (0 bytes): it holds nothing." if not size and path.is_file() else ""
        raise UnreadableBackup(
            "This is no old backup of a known format.",
            where=str(path),
            why=why or f"Known are: {', '.join(reader.title for reader in READERS)}.",
            fix="docs/legacy.md says how each format is recognised, and when to throw a backup away.",
        )
    return found[0][0], tuple(seen for _, seen in found[1:])
