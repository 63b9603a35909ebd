"""The protocol of a reader of old backups, and the values that it returns.

A reader recognises its format by what is in the file, and reads it into a scratch folder: rows of models as JSON lines, dumps of an engine
as files, and folders of files. Every loss is a finding of the group "Old backups"; one of severity `error` is a loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from edms_tasks.databases.dumps import DumpForm, DumpLimits
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.source import Source

Confidence = Literal["certain", "likely", "possible"]
CONFIDENCE: tuple[Confidence, ...] = ("certain", "likely", "possible")
"""How sure a reader is, the surest first."""


@dataclass(frozen=True)
class Recognised:
    """A format that a reader recognised, how sure it is, and why."""

    format: str  # Reader.format
    title: str
    confidence: Confidence
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class ModelRows:
    """The rows of one model, as Django serialises them.

    `path` is a file of JSON lines, each `{"n": …, "pk": …, "fields": {…}}`; None if the reader was only to look. A row's number in the file
    is its identity in findings.
    """

    model: str  # as in the backup, e.g. "documents.document"
    rows: int
    path: Path | None = None
    longest: int = 64 << 20  # the bytes of its longest line at most


@dataclass(frozen=True)
class EngineDump:
    """A dump of a database engine, uncompressed in the scratch folder; `path` is None if the reader was only to look."""

    form: DumpForm
    path: Path | None
    facts: Mapping[str, str] = field(default_factory=dict)  # for people: server version, database
    rows: Mapping[str, int] = field(default_factory=dict)  # table -> rows
    database: str = ""  # which one, of a dump of several databases


@dataclass(frozen=True)
class FileFolder:
    """A folder of files in the backup; it becomes the folder of the EDMS's root of that name."""

    name: str  # as in the backup: "media", "documents"
    files: int
    bytes: int
    path: Path | None = None  # where it was unpacked; None if the reader was only to look


@dataclass(frozen=True)
class OldBackup:
    """What an old backup holds, and what it lacks."""

    recognised: Recognised
    facts: Mapping[str, str] = field(default_factory=dict)  # for people: when, by which versions
    rows: tuple[ModelRows, ...] = ()
    dump: EngineDump | None = None
    folders: tuple[FileFolder, ...] = ()
    findings: tuple[Finding, ...] = ()
    inexact: tuple[str, ...] = ()  # why what it holds cannot be what the EDMS held, to the last digit
    made: datetime | None = None  # when it was made, as it says itself
    cut_times: bool = False  # its format is Django's JSON, in which times with three decimals may have had six

    @property
    def losses(self) -> tuple[Finding, ...]:
        """The findings that are losses."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


@dataclass(frozen=True)
class Scratch:
    """Where a reader writes. With `look_only` it counts and checks, and writes neither rows nor files."""

    folder: Path
    look_only: bool = False
    database: str = ""  # which one, of a dump of several databases
    client_programs: str = ""  # the folder of pg_restore; "" for the best that is found
    limits: DumpLimits = field(default_factory=DumpLimits)  # of an engine's dump
    passphrase: str = field(default="", repr=False)  # of values that the old backup encrypts


class Reader(Protocol):
    """A reader of one format."""

    @property
    def format(self) -> str:
        """Its name in manifests and options, e.g. "dumpdata"."""

    @property
    def title(self) -> str:
        """Its name for people."""

    def recognise(self, source: Source) -> Recognised | None:
        """Whether the file or folder has this format; reads its beginning only, and never raises for what is in it."""

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Read it. Damage is a finding, never an exception; OSErrors of our own disk are raised.

        Raises:
            UnreadableBackup: nothing in it can be read.
        """
        ...
