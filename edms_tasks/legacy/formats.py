"""The formats of old backups that are read, and which of them a file has."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.errors import CommandError
from edms_tasks.legacy.dbbackup_reader import DbbackupReader
from edms_tasks.legacy.engine_dump_reader import EngineDumpReader
from edms_tasks.legacy.fixture_reader import FixtureReader
from edms_tasks.legacy.migration_packages import MigrationPackageReader
from edms_tasks.legacy.old_backup import CONFIDENCE, Reader, Recognised
from edms_tasks.legacy.packed_dumps import PackedDumpReader
from edms_tasks.legacy.paperless_reader import PaperlessReader
from edms_tasks.legacy.source import Source

READERS: tuple[Reader, ...] = (
    DbbackupReader(),
    PaperlessReader(),
    PackedDumpReader(),
    MigrationPackageReader(),
    FixtureReader(),
    EngineDumpReader(),
)
"""In the order in which they are asked: of two that are equally sure, the first counts."""


def recognise(path: Path) -> list[tuple[Reader, Recognised]]:
    """The readers that recognise a file or folder, the surest first."""
    source = Source(path)
    found = [(reader, seen) for reader in READERS if (seen := reader.recognise(source)) is not None]
    return sorted(found, key=lambda pair: CONFIDENCE.index(pair[1].confidence))


def reader_of(name: str) -> Reader:
    """The reader of a format, by its name; raises CommandError."""
    for reader in READERS:
        if reader.format == name:
            return reader
    known = ", ".join(reader.format for reader in READERS)
    raise CommandError("There is no format of old backups of this name.", where=name, fix=f"One of: {known}.")
