"""Read the text that `sqlite3 FILE .dump`, or Python's `iterdump`, writes, and run it in a throwaway file.

A text may be hostile. It runs under an authorizer that lets no statement reach anything but that file.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edms_tasks.databases.dumps import Dump, DumpContents
from edms_tasks.databases.sqlite.dump_bounds import bound_size, end_with, require_going_on
from edms_tasks.databases.sqlite.schema_authorizer import MODULES, REACHING_OUT, confined
from edms_tasks.databases.undamaged_part import UndamagedPart
from edms_tasks.errors import DumpRefused, UnreadableBackup
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.quoting import identifier

_LONGEST = 256 << 20
_NAMED = 5
_SHOWN = 80
_NAME = r"""(?:"(?P<q>(?:[^"]|"")+)"|'(?P<s>(?:[^']|'')+)'|`(?P<b>[^`]+)`|\[(?P<k>[^\]]+)\]|(?P<w>\w+))"""
_CREATES = re.compile(rf"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", re.IGNORECASE)
_FILLS = re.compile(rf"INSERT\s+(?:OR\s+\w+\s+)?INTO\s+{_NAME}", re.IGNORECASE)
_DEFINES = re.compile(r"CREATE\s+(?:UNIQUE\s+|VIRTUAL\s+)?(?:TABLE|INDEX|VIEW|TRIGGER)\b", re.IGNORECASE)
_DEFINES_LATER = re.compile(r"CREATE\s+(?:UNIQUE\s+)?(?:INDEX|VIEW|TRIGGER)\b", re.IGNORECASE)
_SKIPPED = re.compile(
    r"(?:BEGIN(?:\s+TRANSACTION)?|COMMIT|END|PRAGMA\s+(?:foreign_keys|writable_schema)\s*=\s*\w+|ANALYZE\s+sqlite_\w+|"
    r"DELETE\s+FROM\s+\"?sqlite_sequence\"?)\s*;$",
    re.IGNORECASE,
)
_VIRTUAL = re.compile(
    r"INSERT\s+INTO\s+\"?sqlite_(?:schema|master)\"?\s*\(type,\s*name,\s*tbl_name,\s*rootpage,\s*sql\)\s*VALUES\s*"
    r"\('table',\s*'((?:[^']|'')+)',\s*'(?:[^']|'')+',\s*0,\s*'(CREATE VIRTUAL TABLE (?:[^']|'')+)'\);$",
    re.IGNORECASE | re.DOTALL,
)
_CORRUPTION = re.compile(r"/\*+\s*(?:CORRUPTION )?ERROR", re.IGNORECASE)
_DENIED = {
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
}


@dataclass
class _Text:
    """The statements of a text, and how it ends."""

    dump: Dump
    damage: str = ""
    begins: bool = False  # it has a BEGIN, so it ends with COMMIT
    is_ended: bool = False
    gave_up: bool = False  # sqlite3 ends with ROLLBACK where it could not read its database
    line: int = 0
    unfinished: str = ""
    errors: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        held: list[str] = []
        size = quotes = 0
        for text in self._lines():
            self.line += 1
            if not held and (not text.strip() or text.startswith("--")):
                continue
            if not held and _CORRUPTION.match(text):
                self.errors.append(text.strip()[:_SHOWN])
                continue
            if not held and re.match(r"ROLLBACK\s*;", text, re.IGNORECASE):
                self.gave_up = True
                continue
            held.append(text)
            size += len(text)
            quotes += text.count("'")
            if size > _LONGEST:
                raise DumpRefused(
                    "A statement of the dump is too long.",
                    where=f"{self.dump.path}, line {self.line}",
                    why=f"It has more than {_LONGEST >> 20} MiB: a quotation mark may be damaged.",
                    fix="Use another dump, or repair it there.",
                )
            if not text.rstrip().endswith(";") or (held[0].startswith("INSERT") and quotes % 2):
                continue
            statement = "".join(held).strip()
            # What SQLite cannot take, bytes that are no UTF-8 and NUL, is refused when the statement is run.
            if not sqlite3.complete_statement(statement.encode("utf-8", "replace").decode().replace("\0", "?")):
                continue
            held, size, quotes = [], 0, 0
            self.begins = self.begins or statement.upper().startswith("BEGIN")
            if re.match(r"(?:COMMIT|END)\s*;$", statement, re.IGNORECASE):
                self.is_ended = True
            else:
                yield statement
        self.unfinished = "".join(held).strip()[:_SHOWN]

    def _lines(self) -> Iterator[str]:
        with self.dump.opened() as stream:
            for line in UndamagedPart(stream, self.dump.damage, self._note).lines(_LONGEST):
                yield line.decode("utf-8", "surrogateescape")

    def _note(self, damage: str) -> None:
        self.damage = damage


def survey_text(dump: Dump) -> DumpContents:
    """Read the whole text without running anything. Raises DumpRefused for a statement that `.dump` does not write."""
    text = _Text(dump)
    rows: dict[str, int] = {}
    for statement in text:
        if (created := _CREATES.match(statement)) is not None:
            rows.setdefault(_name(created), 0)
        elif (filled := _FILLS.match(statement)) is not None:
            name = _name(filled)
            if not name.lower().startswith("sqlite_"):
                rows[name] = rows.get(name, 0) + 1
        elif not _DEFINES.match(statement) and not _SKIPPED.match(statement):
            raise DumpRefused(
                "The dump has a statement that SQLite's .dump does not write. Nothing of it was run.",
                where=f"{dump.path}, line {text.line}",
                why=_beginning(statement),
                fix="Find out who put it there. If the dump was edited or is damaged at this line, remove it from a copy and convert that.",
            )
    if not rows:
        raise UnreadableBackup(
            "The dump holds no table.",
            where=str(dump.path),
            why="It is empty, or ends before its first table.",
            fix="Use another backup: nothing can be got from this one.",
        )
    return DumpContents(dict(sorted(rows.items())), {}, tuple(_findings(text)))


def load_text(dump: Dump, path: Path, contents: DumpContents, ended: threading.Event) -> Iterator[Finding]:
    """Run the statements in a new file until they are ended, and count its rows; yields what the file lacks.

    Indexes, views and triggers come last and once: django-dbbackup 3 writes all of them behind each table, before the
    tables that they need, and a trigger would write rows of its own.
    """
    failed: list[tuple[str, str]] = []
    lost: dict[str, tuple[int, str]] = {}
    with confined(path) as connection:
        end_with(connection, ended)
        bound_size(connection, dump)
        connection.create_function("unistr", 1, _unistr, deterministic=True)  # SQLite has it since 3.50
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN")
        connection.set_authorizer(_allow)
        for statement in _in_order(_Text(dump)):
            try:
                if _SKIPPED.match(statement) and "sqlite_sequence" not in statement:
                    continue
                _run(connection, statement)
            except (sqlite3.Error, UnicodeEncodeError) as error:
                require_going_on(error, ended, dump, path)
                if (filled := _FILLS.match(statement)) is not None:
                    before, first = lost.get(_name(filled), (0, str(error)))
                    lost[_name(filled)] = before + 1, first
                else:
                    failed.append((_beginning(statement), str(error)))
        connection.set_authorizer(None)
        _commit(connection, ended, dump, path)
        there = {name: _count(connection, name) for name in contents.rows}
    for name, rows in contents.rows.items():
        refused, why = lost.get(name, (0, ""))
        if refused:
            yield make_finding("dump-rows-refused", name, f"Rows of {name} were refused: {why}", count=refused)
        if (found := there[name]) != rows - refused:
            yield make_finding(
                "dump-rows-differ",
                name,
                f"The dump has {rows:,} rows of {name}, of which {refused:,} were refused. The database has "
                + (f"{found:,}." if found is not None else "no such table."),
                count=abs(rows - refused - (found or 0)),
            )
    if failed:
        yield make_finding(
            "dump-statement-failed",
            "definitions",
            "; ".join(f"{statement}: {why}" for statement, why in failed[:_NAMED]),
            count=len(failed),
            examples=tuple(statement for statement, _ in failed[:_NAMED]),
        )


def _in_order(statements: Iterable[str]) -> Iterator[str]:
    later: dict[str, None] = {}
    for statement in statements:
        if _DEFINES_LATER.match(statement):
            later[statement] = None
        else:
            yield statement
    yield from later


def _commit(connection: sqlite3.Connection, ended: threading.Event, dump: Dump, path: Path) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        require_going_on(error, ended, dump, path)
        raise


def _run(connection: sqlite3.Connection, statement: str) -> None:
    virtual = _VIRTUAL.match(statement)
    if virtual is None:
        connection.execute(statement)
        return
    # The text has the table's own parts as well, with their rows: those that a new one begins with would be there twice.
    name = virtual[1].replace("''", "'")
    connection.execute(virtual[2].replace("''", "'"))
    parts = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?", (len(name) + 1, f"{name}_")
    ).fetchall()
    for (part,) in parts:
        connection.execute(f"DELETE FROM {identifier(str(part))}")


def _allow(action: int, first: str | None, second: str | None, database: str | None, _within: str | None) -> int:
    if action in _DENIED or database not in (None, "main", "temp"):
        # Modules of virtual tables read the page size.
        is_read = action == sqlite3.SQLITE_PRAGMA and str(first).lower() in ("page_size", "data_version") and not second
        return sqlite3.SQLITE_OK if is_read else sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and str(second).lower() in REACHING_OUT:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_CREATE_VTABLE and str(second).lower() not in MODULES:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _findings(text: _Text) -> Iterator[Finding]:
    if text.damage:
        yield make_finding("dump-damaged", "dump", f"The dump cannot be read to its end: {text.damage}")
    if text.gave_up or text.errors:
        yield make_finding(
            "dump-damaged",
            "dump",
            "sqlite3 could not read its database to the end when it made the dump, and said so in it.",
            count=max(1, len(text.errors)),
            examples=tuple(text.errors[:_NAMED]),
        )
    elif text.unfinished:
        yield make_finding("dump-cut", "dump", f"The dump ends inside a statement: {_beginning(text.unfinished)}")
    elif text.begins and not text.is_ended:
        yield make_finding("dump-cut", "dump", "The dump lacks its last line, COMMIT.")
    elif not text.begins:
        yield make_finding("dump-without-end", "dump")
    yield make_finding("dump-unchecked", "dump")


def _count(connection: sqlite3.Connection, name: str) -> int | None:
    try:
        return int(connection.execute(f"SELECT count(*) FROM {identifier(name)}").fetchone()[0])
    except sqlite3.OperationalError:
        return None  # the table could not be created


def _name(found: re.Match[str]) -> str:
    quoted = (found["q"] or "").replace('""', '"') or (found["s"] or "").replace("''", "'")
    return quoted or found["b"] or found["k"] or found["w"]


def _beginning(statement: str) -> str:
    """The beginning of a statement for a message, without the values in it."""
    line = " ".join(re.sub(r"'(?:[^']|'')*'?", "'…'", statement[: _SHOWN * 4]).split())
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


_ESCAPE = re.compile(r"\\(?:\\|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))")


def _unistr(text: str) -> str:
    return _ESCAPE.sub(
        lambda found: chr(int(code, 16)) if (code := "".join(filter(None, found.groups()))) else "\\", text
    )
