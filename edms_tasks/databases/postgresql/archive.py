"""Read and write the table of contents of pg_dump's custom archives, entry by entry.

pg_restore's listings and scripts are ambiguous for names with spaces, quotes or line breaks. The archive itself has a length
before each text. The layout is PostgreSQL's own (src/bin/pg_dump/pg_backup_archiver.c: WriteHead, WriteToc;
pg_backup_custom.c: _WriteExtraToc). Every number and text must be written as PostgreSQL writes it, so that what was read is
the same bytes when it is written again, and an unknown layout is an error and is never misread. Left out are only the versions of
columns, which are the server's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from edms_tasks.databases.postgresql.column_versions import without_column_versions
from edms_tasks.errors import DamagedRepository

_MAGIC = b"PGDMP"
_KNOWN = range(12, 17)  # archive versions 1.12 (PostgreSQL 9.0) to 1.16 (17 and 18)
_HEADER_TIMES = 7  # second, minute, hour, day, month, year, daylight saving
_CUSTOM = 1
# The fields of an entry in order: name, type, and the archive version that introduced it (0: all have it).
_FIELDS: tuple[tuple[str, type, int], ...] = (
    ("number", int, 0),
    ("has data", int, 0),
    ("catalogue", bytes, 0),
    ("oid", bytes, 0),
    ("tag", bytes, 0),
    ("kind", bytes, 0),
    ("section", int, 0),
    ("definition", bytes, 0),
    ("drop", bytes, 0),
    ("copy", bytes, 0),
    ("schema", bytes, 0),
    ("tablespace", bytes, 0),
    ("access method", bytes, 14),
    ("relation kind", int, 16),
    ("owner", bytes, 0),
    ("with oids", bytes, 0),
)
SECTIONS = {1: "none", 2: "pre-data", 3: "data", 4: "post-data"}


@dataclass(frozen=True)
class Entry:
    """An entry of the table of contents. Texts are bytes in the archive's encoding."""

    values: tuple[tuple[str, int | bytes | None], ...]
    needs: tuple[int, ...]  # numbers of the entries it depends on
    _needs: tuple[bytes, ...]
    _position: bytes  # of its data; a schema has none

    @cached_property
    def _fields(self) -> dict[str, int | bytes | None]:
        return dict(self.values)

    @property
    def number(self) -> int:
        """The entry's number in the archive."""
        value = self._fields["number"]
        assert isinstance(value, int)  # as in _FIELDS
        return value

    @property
    def section(self) -> str:
        """pre-data, data, post-data, or none for entries about the whole archive."""
        value = self._fields["section"]
        assert isinstance(value, int)  # as in _FIELDS
        return SECTIONS.get(value, "none")

    @property
    def kind(self) -> str:
        """pg_dump's name for the kind of object: "TABLE", "FK CONSTRAINT", "ACL", …"""
        return self.text("kind")

    def raw(self, field: str) -> bytes:
        """A text field as bytes; empty if it is absent."""
        value = self._fields.get(field)
        return value if isinstance(value, bytes) else b""

    def text(self, field: str) -> str:
        """A text field as text; bytes that are not UTF-8 become surrogates."""
        return self.raw(field).decode("utf-8", "surrogateescape")

    @property
    def name(self) -> str:
        """Kind, schema and tag in one line."""
        schema = f"{self.text('schema')}." if self.raw("schema") else ""
        return " ".join(f"{self.kind.lower()} {schema}{self.text('tag')}".split())

    def changed(self, field: str, value: bytes) -> Entry:
        """The entry with another text in a field."""
        return replace(self, values=tuple((name, value if name == field else old) for name, old in self.values))


@dataclass(frozen=True)
class Archive:
    """The archive of a schema."""

    entries: tuple[Entry, ...]
    _head: bytes
    _layout: _Layout
    dumped_by: int
    """The major version of the pg_dump that wrote it; 0 if that is unknown."""

    def statement_of(self, kind: str) -> bytes:
        """The statement of an entry about the whole archive (ENCODING or STDSTRINGS); empty if there is none."""
        return next((entry.raw("definition") for entry in self.entries if entry.kind == kind), b"")

    def write(self, path: Path, entries: Sequence[Entry]) -> None:
        """Write an archive with these entries only, which pg_restore can read."""
        path.write_bytes(self._bytes(entries))

    def _bytes(self, entries: Sequence[Entry]) -> bytes:
        layout = self._layout
        parts = [self._head, layout.write_number(len(entries))]
        for entry in entries:
            for _, value in entry.values:
                parts.append(layout.write_number(value) if isinstance(value, int) else layout.write_text(value))
            parts += [*(layout.write_text(need) for need in entry._needs), layout.write_text(None), entry._position]
        return b"".join(parts)


def read_archive(path: Path) -> Archive:
    """Read the archive of a schema. Raises DamagedRepository if its layout is not known."""
    data = path.read_bytes()
    try:
        return _read(data)
    except (IndexError, ValueError, OverflowError) as error:
        raise _unknown(path, str(error)) from error


@dataclass(frozen=True)
class _Layout:
    version: int
    number_bytes: int
    position_bytes: int

    def write_number(self, value: int) -> bytes:
        return bytes([value < 0]) + abs(value).to_bytes(self.number_bytes, "little")

    def write_text(self, value: bytes | None) -> bytes:
        return self.write_number(-1) if value is None else self.write_number(len(value)) + value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data
        self.layout = _Layout(0, 4, 8)

    def take(self, length: int) -> bytes:
        if length < 0 or self.at + length > len(self._data):
            raise ValueError(f"it ends at byte {len(self._data)}, inside a value")
        self.at += length
        return self._data[self.at - length : self.at]

    def number(self) -> int:
        begin = self.at
        end = self.at = begin + 1 + self.layout.number_bytes
        if end > len(self._data):
            raise ValueError(f"it ends at byte {len(self._data)}, inside a number")
        sign, value = self._data[begin], int.from_bytes(self._data[begin + 1 : end], "little")
        if sign > 1 or (sign and not value):
            raise ValueError(f"at byte {begin} is no number")
        return -value if sign else value

    def string(self) -> bytes | None:
        length = self.number()
        if length < -1:
            raise ValueError(f"before byte {self.at} is no length of a text")
        return None if length < 0 else self.take(length)


def _read(data: bytes) -> Archive:
    reader = _Reader(data)
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin like one")
    major, minor, _, number_bytes, position_bytes, form = reader.take(6)
    if major != 1 or minor not in _KNOWN or form != _CUSTOM:
        raise ValueError(f"its version is {major}.{minor}, form {form}; known are 1.{_KNOWN[0]} to 1.{_KNOWN[-1]}")
    reader.layout = _Layout(minor, number_bytes, position_bytes)
    if minor >= 15:
        reader.take(1)  # the compression's algorithm; older archives have its level
    else:
        reader.number()
    for _ in range(_HEADER_TIMES):
        reader.number()
    _database, _server, program = (reader.string() for _ in range(3))  # its name, and two versions
    head = data[: reader.at]
    entries = tuple(_entry(reader) for _ in range(reader.number()))
    if reader.at != len(data):
        raise ValueError("it holds more than a schema")
    return Archive(entries, head, reader.layout, _major(program))


def _major(version: bytes | None) -> int:
    found = re.match(rb"\d+", version or b"")
    return int(found[0]) if found else 0


def _entry(reader: _Reader) -> Entry:
    values: list[tuple[str, int | bytes | None]] = []
    for name, kind, since in _FIELDS:
        if reader.layout.version >= since:
            value = reader.number() if kind is int else reader.string()
            if name == "definition" and isinstance(value, bytes):
                value = without_column_versions(value)
            values.append((name, value))
    needs: list[bytes] = []
    while (need := reader.string()) is not None:
        needs.append(need)
    position = reader.take(1 + reader.layout.position_bytes)
    return Entry(tuple(values), tuple(map(int, needs)), tuple(needs), position)


def _unknown(path: Path, why: str) -> DamagedRepository:
    return DamagedRepository(
        "The snapshot's schema is not a readable pg_dump archive.",
        where=str(path),
        why=why,
        fix="Use another snapshot. If pg_dump is newer than this program knows, install an older one or a newer edms-backup.",
    )


def numbers(entries: Iterable[Entry]) -> frozenset[int]:
    """The numbers of the entries."""
    return frozenset(entry.number for entry in entries)
