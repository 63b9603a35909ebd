"""Migration packages, and the full, files, incremental and differential jobs of an EDMS's own backup: archives with rows as JSON and files.

The row data is Django's JSON, whatever its name: a `database.sql.gz` of these jobs is no SQL. Where the tool's dump had failed, it
holds a list of tables and no row, although the job was reported as completed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveMember, ArchiveTrouble, opened
from edms_tasks.legacy.archives import first_names, members
from edms_tasks.legacy.backup_metadata import facts_in, metadata_object, number_in, read_metadata, rows_differ
from edms_tasks.legacy.checksum_beside import check_beside
from edms_tasks.legacy.clear_secrets import ClearSecrets
from edms_tasks.legacy.common_folder import common_folder
from edms_tasks.legacy.fixture_reader import read_rows
from edms_tasks.legacy.not_converted import not_converted
from edms_tasks.legacy.old_backup import OldBackup, Recognised, Scratch
from edms_tasks.legacy.row_files import RowFiles
from edms_tasks.legacy.source import Source
from edms_tasks.legacy.unpacked_folders import UnpackedFolders

_ROWS = re.compile(r"(?:database/)?(?:database_backup(?:_\d{8}_\d{6})?\.json(?:\.gz)?|database\.(?:sql|json)(?:\.gz)?)")
_ABOUT = re.compile(r"(?:metadata|database/backup_metadata|backup_metadata|database_backup[\w]*_metadata)\.json")
_JOB = re.compile(r"(?P<kind>full|files|incremental|differential)_backup_(?P<at>\d{8}_\d{6})\.tar(?:\.gz)?")
_FILES_MANIFEST = "storage/manifest.json"
_CHECKSUMS = "database/checksum.txt"
_OF_PACKAGES = (_CHECKSUMS, "database/backup_metadata.json", "database/schema_info.txt")
_FOLDERS = ("storage", "media", "documents", "static", "certificates")
_CONFIGURATION = "configuration/"
_OWN = (*_FOLDERS, "database", "configuration", "scripts")
_LARGEST = 64 << 20
_LARGEST_SETTINGS = 4 << 20
_EXAMPLES = 5
_SAID = (
    "export_timestamp",
    "created_at",
    "edms_version",
    "django_version",
    "python_version",
    "export_type",
    "backup_type",
)


@dataclass(frozen=True)
class MigrationPackageReader:
    """Reads packages and jobs, packed or unpacked."""

    format: str = "edms-job"
    title: str = "Migration package or backup job of an EDMS: rows as JSON, and files"

    def recognise(self, source: Source) -> Recognised | None:
        """By the names of its members, and of the file for those without rows."""
        if not source.is_folder and not source.size:
            return None
        names = _names(source)[1]
        rows = next((name for name in names if _ROWS.fullmatch(name)), None)
        job = _JOB.fullmatch(source.path.name.lower())
        others = [name for name in names if name == "metadata.json" or name.split("/")[0] in _FOLDERS]
        if rows is not None and (others or job or rows.startswith("database/")):
            return Recognised(self.format, self.title, "certain" if others else "likely", (rows, *others[:1]))
        packages = [name for name in names if name in _OF_PACKAGES]
        if packages and others:  # without its rows
            return Recognised(self.format, self.title, "possible", (packages[0], others[0]))
        if job is not None and names:
            return Recognised(self.format, self.title, "likely", (f"the name of a job: {source.path.name}", names[0]))
        return None

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Read all members once."""
        recognised = self.recognise(source)
        assert recognised is not None
        found, _ = check_beside(source)
        trouble = ArchiveTrouble(source.path.name)
        parts = _Parts(RowFiles(scratch), UnpackedFolders(scratch), trouble)
        around, _ = _names(source)
        for member in members(source, trouble):
            parts.take(member, member.name.removeprefix(around))
        job = _JOB.fullmatch(source.path.name.lower())
        kind = job["kind"] if job else ""
        found += [*trouble.findings(), *parts.conclude(kind)]
        rows = parts.rows.finish()
        return OldBackup(
            recognised,
            facts=parts.facts,
            rows=rows,
            folders=parts.files.finish(),
            findings=tuple(found),
            made=_time(
                parts.facts.get("export_timestamp") or parts.facts.get("created_at") or (job["at"] if job else "")
            ),
            cut_times=bool(rows),
        )


@dataclass
class _Parts:
    """What the members of a package are, while they come by."""

    rows: RowFiles
    files: UnpackedFolders
    trouble: ArchiveTrouble
    facts: dict[str, str] = field(default_factory=dict)
    _said: dict[str, Any] = field(default_factory=dict)
    _expected: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # file below storage/ -> size, checksum
    _checksums: dict[str, str] = field(default_factory=dict)
    _hashes: dict[str, tuple[int, str]] = field(default_factory=dict)
    _secrets: ClearSecrets = field(default_factory=ClearSecrets)
    _others: list[str] = field(default_factory=list)
    _found: list[Finding] = field(default_factory=list)
    _has_rows_file: bool = False

    def take(self, member: ArchiveMember, name: str) -> None:
        """Keep what a member is for; `name` is without the folder around the backup."""
        top, _, below = name.partition("/")
        if _ROWS.fullmatch(name):
            self._take_rows(member, name)
        elif _ABOUT.fullmatch(name):
            self._about(name, member.text(_LARGEST))
        elif name == _FILES_MANIFEST:
            self._expect(member.text(_LARGEST))
        elif name == _CHECKSUMS:
            self._expect_checksums(member.text(_LARGEST_SETTINGS).decode("utf-8", "replace"))
        elif top in _FOLDERS and below:
            self._take_file(member, top, below)
        elif name.startswith(_CONFIGURATION):
            self._secrets.look(name, member.text(_LARGEST_SETTINGS))
            self._others.append(name)
        else:
            member.skip()
            self._others.append(name)
        if member.sha256 and member.is_whole:
            self._hashes[name] = (member.size, member.sha256)

    def conclude(self, kind: str) -> list[Finding]:
        """What is wrong with the parts. `kind` is that of the job, from its name."""
        if kind in ("incremental", "differential"):
            self._found.append(make_finding("old-base-missing", kind, f"This is the {kind} part of a backup."))
        if kind == "files":
            self._found.append(make_finding("old-no-rows", "database", "This job holds files only, and no database."))
        elif not self._has_rows_file:
            self._found.append(make_finding("old-no-rows", "database", "The archive holds no file of rows."))
        self._compare_rows()
        self._compare_files()
        self._found += not_converted(self._others)
        return [*self._found, *self._secrets.findings()]

    def _take_rows(self, member: ArchiveMember, name: str) -> None:
        self._has_rows_file = True
        with opened(member) as stream:
            self._found += read_rows(stream, "JSON", name, self.rows, checked=self.trouble.is_checked)
        member.skip()  # what is left of it, for its checksum

    def _take_file(self, member: ArchiveMember, top: str, below: str) -> None:
        # storage/media/… of a package is the folder media.
        inner, _, rest = below.partition("/")
        folder, name = (inner, rest) if top == "storage" and rest else (top, below)
        self.files.keep(member, folder, name)

    def _about(self, name: str, text: bytes) -> None:
        said, unreadable = read_metadata(text, name)
        self._found += unreadable
        for key, text_of in facts_in(said, _SAID).items():
            self.facts.setdefault(key, text_of)
        self._said |= {key: said[key] for key in ("total_records", "model_counts") if key in said}

    def _expect_checksums(self, text: str) -> None:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        for line in lines:
            pair = re.fullmatch(r"([0-9a-fA-F]{64})(?:\s+\*?(.+?))?\s*", line)
            if pair is not None:
                name = (pair[2] or "database_backup.json").removeprefix("./")
                self._checksums[name] = pair[1].lower()
        if len(self._checksums) < max(len(lines), 1):
            what = "It has lines that are no checksums, or none at all: these were not compared."
            self._found.append(make_finding("old-checksum-differs", _CHECKSUMS, what))

    def _expect(self, text: bytes) -> None:
        files = (metadata_object(text) or {}).get("files")
        if not isinstance(files, dict):
            self._found.append(make_finding("old-rows-damaged", _FILES_MANIFEST, "The list of files cannot be read."))
            return
        self._expected = {str(name): one if isinstance(one, dict) else {} for name, one in files.items()}

    def _compare_rows(self) -> None:
        self._found += rows_differ(self._said, self.rows.counts)
        for path, wanted in self._checksums.items():
            known = self._hashes.get(path) or self._hashes.get(f"database/{path}")
            if known is None:
                what = "The backup's list of checksums names a file that is not in it, or is damaged."
                self._found.append(make_finding("old-files-missing", path[:200], what))
            elif known[1] != wanted:
                self._found.append(make_finding("old-checksum-differs", path[:200]))

    def _compare_files(self) -> None:
        missing, changed = [], []
        for name, wanted in self._expected.items():
            known = self._hashes.get(f"storage/{name}") or self._hashes.get(name)
            if known is None:
                missing.append(name)
            elif str(wanted.get("checksum") or known[1]).lower() != known[1] or (
                "size" in wanted and number_in(wanted["size"]) != known[0]
            ):
                changed.append(name)
        if missing:
            what = "Files of the package's own list are not in it, or are damaged."
            shown = tuple(missing[:_EXAMPLES])
            self._found.append(make_finding("old-counts-differ", "files", what, count=len(missing), examples=shown))
        if changed:
            shown = tuple(changed[:_EXAMPLES])
            self._found.append(make_finding("old-checksum-differs", "files", count=len(changed), examples=shown))


def _names(source: Source) -> tuple[str, list[str]]:
    """The folder around the backup, and the names of its first members without it."""
    names = first_names(source)
    around = common_folder(names, _OWN)
    return around, [name.removeprefix(around) for name in names]


def _time(text: str) -> datetime | None:
    """A time as ISO 8601 has it, or as names of jobs do (20240102_030405); of UTC if it names no zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
