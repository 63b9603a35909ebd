"""Dumps of a database engine: by pg_dump in every form, SQLite's files and texts; compressed outside or not."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edms_tasks.databases.dumps import Dump, DumpForm, DumpLimits, examine_dump
from edms_tasks.databases.undamaged_part import UndamagedPart
from edms_tasks.errors import UnreadableBackup
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveTrouble
from edms_tasks.legacy.archives import beginning, is_archive, members
from edms_tasks.legacy.checksum_beside import check_beside
from edms_tasks.legacy.old_backup import EngineDump, OldBackup, Recognised, Scratch
from edms_tasks.legacy.source import Source, is_damage

_ARCHIVE = b"PGDMP"
_FORM_AT = 10  # after the magic, three parts of the version, and two sizes
_FORMS: dict[int, DumpForm] = {1: "pg_dump-custom", 3: "pg_dump-tar", 5: "pg_dump-directory"}
_HEADER = 64
_ONE_BYTE_SINCE = 15  # archives 1.15 have the compression's algorithm in one byte, older ones its level as a number
_SQLITE = b"SQLite format 3\x00"
_PIECE = 1 << 20
_POSTGRES_SAYS = re.compile(rb"^-- PostgreSQL database (cluster )?dump", re.MULTILINE)
_POSTGRES_WORDS = re.compile(
    rb"^(?:COPY [^\n]+ FROM stdin;|SET (?:statement_timeout|client_encoding) = |\\connect )", re.MULTILINE
)
_SQLITE_SAYS = re.compile(
    rb"^(?:PRAGMA foreign_keys ?= ?OFF;\s+)?BEGIN TRANSACTION;\s+(?:CREATE TABLE|PRAGMA|DELETE FROM|COMMIT)"
)
_DEFINITION = re.compile(rb"^CREATE TABLE ", re.MULTILINE)
_ROWS = re.compile(rb"INSERT (?:OR REPLACE )?INTO|CREATE TABLE IF NOT EXISTS \"")
_TITLES: dict[DumpForm, str] = {
    "pg_dump-custom": "pg_dump, custom format",
    "pg_dump-directory": "pg_dump, directory format",
    "pg_dump-tar": "pg_dump, tar format",
    "pg_dump-plain": "pg_dump, plain SQL",
    "sqlite-file": "SQLite database file",
    "sqlite-text": "text of SQLite's .dump",
}


@dataclass(frozen=True)
class EngineDumpReader:
    """Reads dumps of an engine."""

    format: str = "engine-dump"
    title: str = "Dump of PostgreSQL (pg_dump) or SQLite"

    def recognise(self, source: Source) -> Recognised | None:
        """By its first bytes; a folder or an archive by its table of contents, toc.dat."""
        form = form_of(source)
        if form is None:
            return None
        packed = f", in {source.compression}" if source.compression else ""
        is_sure = form not in ("pg_dump-plain", "sqlite-text") or bool(
            _POSTGRES_SAYS.search(source.head) or _SQLITE_SAYS.match(source.head)
        )
        return Recognised(self.format, self.title, "certain" if is_sure else "likely", (f"{_TITLES[form]}{packed}",))

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Count what it holds. Nothing is restored yet."""
        recognised = self.recognise(source)
        assert recognised is not None
        dump, findings = read_dump(source, scratch)
        wrong, _ = check_beside(source)
        findings = (*wrong, *findings)
        return OldBackup(recognised, facts=dump.facts, dump=dump, findings=findings, made=archive_time(source.head))


def form_of(source: Source) -> DumpForm | None:
    """What kind of dump a file or folder is; None if it is none. Reads its beginning only."""
    if source.is_folder:
        return "pg_dump-directory" if _is_toc(source.path / "toc.dat") else None
    head = source.head
    if head.startswith(_ARCHIVE) and len(head) > _FORM_AT:
        return "pg_dump-custom" if head[_FORM_AT] == 1 else None
    if head.startswith(_SQLITE):
        return "sqlite-file"
    if is_archive(source) == "tar":
        toc = next((one.name for one in beginning(source) if Path(one.name).name == "toc.dat"), None)
        return (
            None
            if toc is None
            else "pg_dump-tar"
            if toc == "toc.dat" and _tar_form(source) == 3
            else "pg_dump-directory"
        )
    if _SQLITE_SAYS.match(head):
        return "sqlite-text"
    if _POSTGRES_SAYS.search(head) or (_POSTGRES_WORDS.search(head) and _DEFINITION.search(head)):
        return "pg_dump-plain"
    return "sqlite-text" if _DEFINITION.match(head) and _ROWS.search(head) else None


def read_dump(source: Source, scratch: Scratch, name: str = "dump") -> tuple[EngineDump, tuple[Finding, ...]]:
    """The dump, decompressed into the scratch folder if a program has to read it, and the findings on it.

    Raises:
        UnreadableBackup, DumpRefused: nothing of it can be converted.
        ToolMissing: pg_restore is not installed.
    """
    form = form_of(source)
    if form is None:
        raise UnreadableBackup(
            "The dump in the backup is of no known form.",
            where=source.path.name,
            why="It is empty." if not source.is_folder and not source.size else "It does not begin like a dump.",
            fix="The files of the backup can be got by unpacking it by hand; its rows are lost.",
        )
    path, found = source.path, list[Finding]()
    if form == "pg_dump-directory" and not source.is_folder:
        path, found = _unpacked_folder(source, scratch.folder / name)
    elif source.compression and form not in ("pg_dump-plain", "sqlite-text"):
        path, found = _decompressed(source, scratch.folder / name)
    dump = dump_in(form, path, scratch.limits)
    contents = examine_dump(dump, database=scratch.database, client_programs=scratch.client_programs)
    rows = contents.rows
    facts = {"form": _TITLES[form], **contents.facts, "tables": f"{len(rows):,}", "rows": f"{sum(rows.values()):,}"}
    kept = None if scratch.look_only else path
    return EngineDump(form, kept, facts, rows, scratch.database), (*found, *contents.findings)


def archive_time(head: bytes) -> datetime | None:
    """When an archive of pg_dump was made, as its header says in the server's local time; None for other dumps."""
    if not head.startswith(_ARCHIVE) or len(head) < _HEADER:
        return None
    size = head[8]
    at = _FORM_AT + 1 + (1 if head[6] >= _ONE_BYTE_SINCE else 1 + size)
    numbers = [int.from_bytes(head[at + n * (1 + size) + 1 : at + (n + 1) * (1 + size)], "little") for n in range(6)]
    second, minute, hour, day, month, year = numbers
    try:
        return datetime(year + 1900, month + 1, day, hour, minute, second).astimezone()
    except (ValueError, OverflowError):
        return None


def dump_in(form: DumpForm, path: Path, limits: DumpLimits) -> Dump:
    """A dump in a file, which may be a compressed text."""
    return Dump(form, path, lambda: Source(path).open(), is_damage, limits)


def _is_toc(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as stream:
        return stream.read(len(_ARCHIVE)) == _ARCHIVE


def _tar_form(source: Source) -> int:
    """The form that the first table of contents of a tar archive names; 0 if it has none."""
    for member in members(source, ArchiveTrouble("")):
        if Path(member.name).name == "toc.dat":
            head = member.text()[: _FORM_AT + 1]
            return head[_FORM_AT] if len(head) > _FORM_AT and head.startswith(_ARCHIVE) else 0
    return 0


def _decompressed(source: Source, path: Path) -> tuple[Path, list[Finding]]:
    """Decompress into a file; where the source is damaged it ends."""
    damage: list[str] = []
    with source.open() as stream, path.open("wb") as target:
        part = UndamagedPart(stream, is_damage, damage.append)
        while piece := part.read(_PIECE):
            target.write(piece)
    what = "The file cannot be decompressed to its end"
    return path, [make_finding("dump-damaged", source.path.name, f"{what}: {why}") for why in damage]


def _unpacked_folder(source: Source, folder: Path) -> tuple[Path, list[Finding]]:
    """Unpack an archive of a dump in directory format; its files are all beside toc.dat."""
    trouble = ArchiveTrouble(source.path.name)
    shutil.rmtree(folder, ignore_errors=True)
    for member in members(source, trouble):
        member.unpack(folder, Path(member.name).name)
    return folder, trouble.findings()
