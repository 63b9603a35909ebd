"""Backups of shell scripts: a dump of the database beside the files and the configuration, in one archive or folder.

Three layouts are known. They differ in names only, so one reader reads them; parts that are archives themselves are unpacked too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveMember, ArchiveTrouble
from edms_tasks.legacy.archives import first_names, members
from edms_tasks.legacy.backup_metadata import facts_in, number_in, read_metadata
from edms_tasks.legacy.checksum_beside import check_beside
from edms_tasks.legacy.clear_secrets import ClearSecrets
from edms_tasks.legacy.common_folder import common_folder
from edms_tasks.legacy.engine_dump_reader import read_dump
from edms_tasks.legacy.not_converted import not_converted
from edms_tasks.legacy.old_backup import OldBackup, Recognised, Scratch
from edms_tasks.legacy.source import Source
from edms_tasks.legacy.unpacked_folders import UnpackedFolders

_ABOUT = frozenset(["metadata.json", "backup_metadata.json", "manifest.json"])
# A job of the EDMS itself writes `database.sql.gz`, which is no SQL.
_DUMP = re.compile(r"database(?:_\d{8}_\d{6}\.sql\.gz|(?:_\d{8}_\d{6})?\.(?:dump|dump\.gz|sql))$")
_FILES = re.compile(r"(?:storage|media|documents)(?:_\d{8}_\d{6})?\.(?:tar|tar\.gz|tgz)$")
_CONFIGURATION = re.compile(r"config(?:uration)?(?:_\d{8}_\d{6})?\.(?:tar|tar\.gz|tgz)$")
_TOP = re.compile(r"(?:tmp_\d{8}_\d{6}|backup_\d{8}_\d{6}|[\w.-]*\d{8}_\d{6}[\w.-]*)/")
_FOLDERS = ("storage", "media", "documents")
_OWN = (*_FOLDERS, "config", "configuration")
_LONGEST_TEXT = 4 << 20
# What is said of a backup to people; everything else in its metadata may be anything.
_FACTS = (
    "backup_type", "backup_name", "timestamp", "created_at", "created_by", "hostname", "version", "method", "postgres_version",
    "postgres_container", "postgres_db", "database_size", "storage_file_count", "compose_file", "edms_version",
)  # fmt: skip


@dataclass(frozen=True)
class PackedDumpReader:
    """Reads archives and folders with `database.dump` or `database_….sql.gz`, `storage` and `config`."""

    format: str = "packed-dump"
    title: str = "Shell script's backup: a dump, files and configuration"

    def recognise(self, source: Source) -> Recognised | None:
        """By the names of its members."""
        if not source.is_folder and not source.size:
            return None
        around, names = _names(source)
        names = [_without_top(name, around) for name in names]
        dump = next((name for name in names if _DUMP.fullmatch(name)), None)
        if dump is None:
            return None
        about = next((name for name in names if name in _ABOUT), None)
        others = [
            name
            for name in names
            if _FILES.fullmatch(name) or _CONFIGURATION.fullmatch(name) or name.startswith(("storage/", "config/"))
        ]
        if about is None and not others:
            return None
        evidence = tuple(name for name in (dump, about, others[0] if others else None) if name)
        return Recognised(self.format, self.title, "certain" if about and others else "likely", evidence)

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Read all parts; the dump is examined, and nothing is restored yet."""
        recognised = self.recognise(source)
        assert recognised is not None
        parts = _Parts(scratch, UnpackedFolders(scratch))
        trouble = ArchiveTrouble(source.path.name)
        found, checked = check_beside(source)
        around, _ = _names(source)
        for member in members(source, trouble):
            parts.take(member, _without_top(member.name, around))
        found += trouble.findings()
        found += parts.conclude()
        dump, of_dump = None, tuple[Finding, ...]()
        if parts.dump is not None:
            dump, of_dump = read_dump(Source(parts.dump), scratch, "restorable")
        else:
            found.append(
                make_finding("old-no-rows", source.path.name, "The dump of the database could not be unpacked.")
            )
        return OldBackup(
            recognised,
            facts=parts.facts | ({"checksum": "as its .sha256 file says"} if checked else {}),
            dump=dump,
            folders=parts.files.finish(),
            findings=(*found, *of_dump),
            made=parts.made(source.path.name),
        )


@dataclass
class _Parts:
    """The parts of a backup while its members come by."""

    scratch: Scratch
    files: UnpackedFolders
    facts: dict[str, str] = field(default_factory=dict)
    dump: Path | None = None
    _said: Mapping[str, Any] = field(default_factory=dict)
    _secrets: ClearSecrets = field(default_factory=ClearSecrets)
    _found: list[Finding] = field(default_factory=list)
    _others: list[str] = field(default_factory=list)
    _nested: int = 0
    _has_files: bool = False

    def take(self, member: ArchiveMember, name: str) -> None:
        """Keep what a member is for; `name` is without the folders around the backup."""
        if name in _ABOUT:
            self._about(member.text(_LONGEST_TEXT))
        elif _DUMP.fullmatch(name) and self.dump is None:
            self.dump = member.unpack(self.scratch.folder, f"dump{''.join(PurePosixPath(name).suffixes)}")
        elif _FILES.fullmatch(name):
            self._has_files = True
            self._unpack(member, name.partition(".")[0].partition("_")[0])
        elif _CONFIGURATION.fullmatch(name):
            self._configuration(member)
        elif (top := name.partition("/")[0]) in _FOLDERS and "/" in name:
            self._has_files = True
            self.files.keep(member, top, name.partition("/")[2])
        elif name.startswith(("config/", "configuration/")):
            self._secrets.look(name, member.text(_LONGEST_TEXT))
            self._others.append(name)
        else:
            member.skip()
            self._others.append(name)

    def made(self, name: str) -> datetime | None:
        """When the backup was made, by its metadata or else its name; without a zone it is this machine's time."""
        for said in (self._said.get("created_at"), self._said.get("timestamp"), name):
            if not isinstance(said, str):
                continue
            stamp = re.search(r"\d{8}_\d{6}", said)
            try:
                found = datetime.fromisoformat(stamp[0] if stamp else said)
            except ValueError:
                continue
            return found.astimezone()
        return None

    def conclude(self) -> list[Finding]:
        """Everything that is wrong with the parts, compared with what the backup says of itself."""
        files = self.files.files
        said = self._said.get("storage_file_count")
        if said is not None and (number := number_in(said)) != files:
            what = f"The backup says that it has {str(said)[:20]} files, and has {files:,}."
            self._found.append(make_finding("old-counts-differ", "files", what, count=abs((number or 0) - files) or 1))
        if not self._has_files:
            self._found.append(
                make_finding("old-files-empty", "files", "The backup has no folder and no archive of files.")
            )
        self._found += not_converted(self._others)
        return [*self._found, *self._secrets.findings()]

    def _about(self, text: bytes) -> None:
        said, unreadable = read_metadata(text, "metadata")
        self._found += unreadable
        if not unreadable:
            self._said = said
        self.facts |= facts_in(said, _FACTS)

    def _unpack(self, member: ArchiveMember, name: str) -> None:
        """Unpack an archive of files that is a member itself."""
        if (inner := self._written(member)) is None:
            return
        if not inner.path.stat().st_size:
            self._found.append(
                make_finding("old-files-empty", member.name, "The archive of files has 0 bytes: the files are lost.")
            )
            inner.path.unlink()
            return
        trouble = ArchiveTrouble(member.name)
        for one in members(inner, trouble):
            # Its top folder is often its own name: storage/… in storage.tar.gz.
            top, _, below = one.name.partition("/")
            self.files.keep(one, name, below if top == name and below else one.name)
        self._found += trouble.findings()
        inner.path.unlink()

    def _configuration(self, member: ArchiveMember) -> None:
        if (inner := self._written(member)) is None:
            return
        trouble = ArchiveTrouble(member.name)
        for one in members(inner, trouble):
            self._secrets.look(one.name, one.text(_LONGEST_TEXT))
            self._others.append(f"config/{one.name}")
        self._found += trouble.findings()
        inner.path.unlink()

    def _written(self, member: ArchiveMember) -> Source | None:
        """The member as a file in the scratch folder: an archive is read from a file."""
        self._nested += 1
        path = member.unpack(self.scratch.folder, f"nested-{self._nested}")
        return Source(path) if path is not None else None


def _names(source: Source) -> tuple[str, list[str]]:
    """The folder around the backup, and the names of its first members."""
    names = first_names(source)
    return common_folder(names, _OWN), names


def _without_top(name: str, around: str) -> str:
    """The name without the folder around the backup, and without that of the run, which some scripts pack."""
    name = name.removeprefix(around)
    found = _TOP.match(name)
    return name[found.end() :] if found else name
