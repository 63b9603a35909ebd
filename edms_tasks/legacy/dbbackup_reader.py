"""Files of django-dbbackup: dumps of PostgreSQL and SQLite, fixtures, archives of media; gzipped or not, encrypted by GnuPG or not.

One file holds the database or the media. A folder may have both: its newest of each are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edms_tasks.errors import UnreadableBackup
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import ArchiveTrouble
from edms_tasks.legacy.archives import is_archive, members
from edms_tasks.legacy.backup_metadata import facts_in, metadata_object
from edms_tasks.legacy.checksum_beside import check_beside
from edms_tasks.legacy.engine_dump_reader import form_of, read_dump
from edms_tasks.legacy.fixture_reader import kind_of, read_fixture
from edms_tasks.legacy.gpg_file import decrypted, is_encrypted
from edms_tasks.legacy.old_backup import EngineDump, ModelRows, OldBackup, Recognised, Scratch
from edms_tasks.legacy.row_files import RowFiles
from edms_tasks.legacy.source import Source
from edms_tasks.legacy.unpacked_folders import UnpackedFolders

# {databasename}-{servername}-{datetime}.{extension} and {servername}-{datetime}.{extension}, unless the settings say otherwise.
_NAME = re.compile(
    r"(?P<of>.+?)-?(?P<at>\d{4}-\d{2}-\d{2}-\d{6})\.(?P<extension>psql\.bin|psql|dump|sqlite3|json|tar)(?:\.gz)?(?P<sealed>\.gpg)?$"
)
_METADATA = ".metadata"
_LONGEST = 1 << 20
_APART = 3600  # seconds between dump and media, beyond which they are of different states
_REPLACES = b"INSERT OR REPLACE INTO"
_EXAMPLES = 5


@dataclass(frozen=True)
class _Part:
    """A file of django-dbbackup."""

    path: Path
    at: datetime
    is_media: bool


@dataclass(frozen=True)
class DbbackupReader:
    """Reads files and folders of django-dbbackup."""

    format: str = "django-dbbackup"
    title: str = "django-dbbackup"

    def recognise(self, source: Source) -> Recognised | None:
        """By the names of its files, or the .metadata beside one; an encrypted file by its first byte too."""
        if source.is_folder:
            parts = _parts_in(source.path)
            evidence = (f"{len(parts)} files with its names, such as {parts[0].path.name}",) if parts else ()
            return Recognised(self.format, self.title, "certain", evidence) if parts else None
        if is_encrypted(source):
            is_named = _NAME.fullmatch(source.path.name) is not None
            return Recognised(
                self.format, self.title, "certain" if is_named else "possible", ("it is encrypted by GnuPG",)
            )
        if not source.size or (
            form_of(source) is None and kind_of(source.head) is None and is_archive(source) != "tar"
        ):
            return None
        if Path(f"{source.path}{_METADATA}").is_file():
            return Recognised(self.format, self.title, "certain", (f"{source.path.name}{_METADATA} beside it",))
        if _NAME.fullmatch(source.path.name):
            return Recognised(self.format, self.title, "certain", (f"the name {source.path.name}",))
        return None

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Read the database and the media."""
        recognised = self.recognise(source)
        assert recognised is not None
        chosen = _chosen(source) if source.is_folder else [source]
        reading = _Reading(scratch)
        for one in chosen:
            reading.take(one)
        if source.is_folder:
            reading.findings += _of_the_folder(source.path, chosen)
        return reading.result(recognised)


class _Reading:
    """What is read of the files."""

    def __init__(self, scratch: Scratch) -> None:
        self.findings: list[Finding] = []
        self._scratch = scratch
        self._facts: dict[str, str] = {}
        self._dump: EngineDump | None = None
        self._rows: tuple[ModelRows, ...] = ()
        self._files = UnpackedFolders(scratch)
        self._inexact: list[str] = []
        self._cut_times = False
        self._made: datetime | None = None

    def take(self, source: Source) -> None:
        """Read a file: what it is, is told by its content."""
        self._facts |= _metadata(source.path)
        self.findings += check_beside(source)[0]
        part = _part(source.path)
        if part is not None and not part.is_media:
            self._made = part.at
        if is_encrypted(source):
            folder = self._scratch.folder / "decrypted"
            folder.mkdir(exist_ok=True)
            source = decrypted(source, folder)
        form = form_of(source)
        if form is not None:
            self._dump, found = read_dump(source, self._scratch, "dbbackup-dump")
            self.findings += found
            self._facts |= self._dump.facts
            if form == "sqlite-text" and _REPLACES in source.head:
                self._inexact.append(
                    "django-dbbackup's text of SQLite has no counters of ids (sqlite_sequence), and cuts texts at a NUL character."
                )
        elif kind_of(source.head) is not None:
            rows = RowFiles(self._scratch)
            self.findings += read_fixture(source, rows)
            self._rows = rows.finish()
            self._cut_times = True
        elif is_archive(source) == "tar":
            self._media(source)
        else:
            raise UnreadableBackup(
                "The file is neither a dump nor a fixture nor an archive of media.",
                where=source.path.name,
                why="It is empty." if not source.size else "Its content is of no known form.",
                fix="Use another backup of that time.",
            )

    def result(self, recognised: Recognised) -> OldBackup:
        """Everything that was read."""
        if self._dump is None and not self._rows:
            self.findings.append(
                make_finding("old-no-rows", "media", "The file holds media only. The database is in another file.")
            )
        folders = self._files.finish()
        if not folders:
            self.findings.append(
                make_finding(
                    "old-root-absent", "media", "Media are in a file of their own: convert the folder that has both."
                )
            )
        return OldBackup(
            recognised,
            facts=self._facts,
            rows=self._rows,
            dump=self._dump,
            folders=folders,
            findings=tuple(self.findings),
            inexact=tuple(self._inexact),
            cut_times=self._cut_times,
            made=self._made,
        )

    def _media(self, source: Source) -> None:
        trouble = ArchiveTrouble(source.path.name)
        self._files.begin("media")
        for member in members(source, trouble):
            self._files.keep(member, "media", member.name)
        self.findings += trouble.findings()


def _parts_in(folder: Path) -> list[_Part]:
    """The files of django-dbbackup in a folder, the newest last."""
    return sorted(_parts(folder), key=lambda part: (part.at, part.path.name))


def _parts(folder: Path) -> Iterator[_Part]:
    for path in folder.iterdir():
        if not path.is_symlink() and path.is_file() and (part := _part(path)) is not None:
            yield part


def _part(path: Path) -> _Part | None:
    """A file by its name; the time in it is that of the machine that made it."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    try:
        at = datetime.strptime(found["at"], "%Y-%m-%d-%H%M%S").astimezone()
    except ValueError:
        return None
    return _Part(path, at, found["extension"] == "tar")


def _chosen(source: Source) -> list[Source]:
    """The newest dump of the database and the newest media."""
    parts = _parts_in(source.path)
    newest = [[part for part in parts if part.is_media is is_media][-1:] for is_media in (False, True)]
    return [Source(part.path) for found in newest for part in found]


def _of_the_folder(folder: Path, chosen: list[Source]) -> Iterator[Finding]:
    """What is said of the parts that were chosen, and of the others."""
    parts = {part.path: part for part in _parts_in(folder)}
    times = [parts[one.path].at for one in chosen]
    if len(times) > 1 and abs((times[0] - times[1]).total_seconds()) > _APART:
        yield make_finding(
            "old-parts-apart",
            "media",
            f"The newest dump is of {times[0]:%Y-%m-%d %H:%M:%S}, the newest media are of {times[1]:%Y-%m-%d %H:%M:%S}.",
        )
    others = [path.name for path in parts if path not in [one.path for one in chosen]]
    if others:
        yield make_finding("old-others-beside", folder.name, count=len(others), examples=tuple(others[:_EXAMPLES]))


def _metadata(path: Path) -> dict[str, str]:
    """Engine and connector, as the file beside the backup says."""
    beside = Path(f"{path}{_METADATA}")
    if not beside.is_file():
        return {}
    with beside.open("rb") as stream:
        return facts_in(metadata_object(stream.read(_LONGEST)) or {}, ("engine", "connector"))
