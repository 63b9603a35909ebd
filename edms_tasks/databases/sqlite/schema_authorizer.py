"""Run the schema statements of a snapshot so that each can only create its object in the staging database.

A snapshot may be damaged or hostile, so its statements run under SQLite's authorizer, which decides on each action before a
statement runs (sqlite.org/c3ref/set_authorizer.html): no ATTACH, no PRAGMA, no row of any table but SQLite's catalogue, no
function that reaches files. Afterwards the catalogue must have the object that the snapshot names.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.errors import CheckFailed

KINDS = {
    "table": re.compile(r"CREATE\s+(VIRTUAL\s+)?TABLE\b", re.IGNORECASE),
    "index": re.compile(r"CREATE\s+(UNIQUE\s+)?INDEX\b", re.IGNORECASE),
    "view": re.compile(r"CREATE\s+VIEW\b", re.IGNORECASE),
    "trigger": re.compile(r"CREATE\s+TRIGGER\b", re.IGNORECASE),
}
# Modules that store everything in tables of the same file.
MODULES = frozenset(["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"])
_REACHING_MODULES = frozenset(
    ["csv", "vsv", "zipfile", "fsdir", "sqlite_dbpage", "dbstat", "sqlite_dbdata", "sqlite_dbptr"]
)
REACHING_OUT = frozenset(
    ["load_extension", "fts3_tokenizer", "readfile", "writefile", "lsdir", "edit", "sqlar_uncompress", "zipfile"]
)
_CATALOGUES = frozenset(["sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_stat1"])
_ON_ROWS = {sqlite3.SQLITE_READ, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_CREATES = {
    "table": {sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX},
    "index": {sqlite3.SQLITE_CREATE_INDEX},
    "view": {sqlite3.SQLITE_CREATE_VIEW},
    "trigger": {sqlite3.SQLITE_CREATE_TRIGGER},
}
_DROPS_VTABLE = 30  # SQLITE_DROP_VTABLE: a constructor that failed drops what it created


@contextmanager
def confined(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the file that can reach no other file: it cannot attach databases or load extensions.

    SQLite's `trusted_schema = OFF` cannot be used: versions up to 3.40 then refuse json_valid, which every JSONField's CHECK calls.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute("PRAGMA cell_size_check = ON")
        yield connection


def create(connection: sqlite3.Connection, kind: str, name: str, table: str, sql: str) -> None:
    """Run the statement that creates an object.

    Raises:
        CheckFailed: the statement is of another kind, would do something else, or created something else.
        sqlite3.Error: SQLite cannot create it.
    """
    made = KINDS.get(kind)
    if made is None or not made.match(sql):
        raise _refused(kind, name, f"The statement does not begin like that of a {kind}.")
    denied: list[str] = []
    unknown: list[str] = []
    connection.set_authorizer(_Authorizer(kind, name, table, is_virtual(sql), denied, unknown))
    try:
        connection.execute(sql)
    except sqlite3.DatabaseError as error:
        if unknown and not denied:
            raise _unknown_module(name, unknown[0]) from error
        if denied:
            raise _refused(kind, name, f"It would {denied[0]}.") from error
        raise
    finally:
        connection.set_authorizer(None)
    require_made(connection, kind, name, table)


def require_made(connection: sqlite3.Connection, kind: str, name: str, table: str) -> None:
    """Check that the catalogue has an object of this kind, name and table. Raises CheckFailed."""
    found = connection.execute("SELECT type, tbl_name FROM sqlite_master WHERE name = ?", (name,)).fetchall()
    if (kind, table) not in found:  # a trigger may have the name of a table
        raise _refused(kind, name, "The statement creates something else than the snapshot says.")


def is_virtual(sql: str) -> bool:
    """Whether a statement creates a virtual table."""
    return re.match(r"CREATE\s+VIRTUAL\b", sql, re.IGNORECASE) is not None


@dataclass(frozen=True)
class _Authorizer:
    """Decides on each action of a statement. A virtual table's module may also create and fill its shadow tables."""

    kind: str
    name: str
    table: str
    virtual: bool
    denied: list[str]
    unknown: list[str]  # modules of virtual tables that are not in MODULES

    def __call__(
        self, action: int, first: str | None, second: str | None, database: str | None, _within: str | None
    ) -> int:
        if self._allows(action, first, second or "", database):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_CREATE_VTABLE and self.virtual and str(second).lower() not in _REACHING_MODULES:
            self.unknown.append(str(second))
        else:
            self.denied.append(_words(action, first, second))
        return sqlite3.SQLITE_DENY

    def _allows(self, action: int, first: str | None, second: str, database: str | None) -> bool:
        if database not in (None, "main"):
            return False
        if action == sqlite3.SQLITE_SELECT:
            return self.kind != "table" or self.virtual  # no CREATE TABLE … AS SELECT
        if action in (sqlite3.SQLITE_REINDEX, sqlite3.SQLITE_RECURSIVE):
            return True
        if action == sqlite3.SQLITE_FUNCTION:
            return second.lower() not in REACHING_OUT
        if action in _ON_ROWS:
            return self._owns(first)
        if action == sqlite3.SQLITE_CREATE_VTABLE:
            return self.virtual and second.lower() in MODULES
        if action in _CREATES[self.kind]:
            return True
        if action == sqlite3.SQLITE_PRAGMA:  # some modules read the page size
            return self.virtual and str(first).lower() in ("page_size", "data_version") and not second
        # A module that fails drops what it has created.
        return self.virtual and action in (sqlite3.SQLITE_DROP_TABLE, _DROPS_VTABLE) and self._owns(first)

    def _owns(self, subject: str | None) -> bool:
        folded = (subject or "").lower()
        part = self.virtual and folded.startswith(f"{self.name.lower()}_")
        return folded in _CATALOGUES or folded == self.table.lower() or part


def _words(action: int, first: str | None, second: str | None) -> str:
    names = {
        getattr(sqlite3, name): name.removeprefix("SQLITE_").replace("_", " ").lower()
        for name in dir(sqlite3)
        if name.startswith(
            (
                "SQLITE_CREATE",
                "SQLITE_DROP",
                "SQLITE_READ",
                "SQLITE_INSERT",
                "SQLITE_UPDATE",
                "SQLITE_DELETE",
                "SQLITE_PRAGMA",
            )
        )
        or name
        in (
            "SQLITE_ATTACH",
            "SQLITE_DETACH",
            "SQLITE_ALTER_TABLE",
            "SQLITE_SELECT",
            "SQLITE_FUNCTION",
            "SQLITE_TRANSACTION",
        )
    }
    subject = " ".join(word for word in (first, second) if word)[:100]
    return f"{names.get(action, f'do action {action}')} {subject}".strip()


def _unknown_module(name: str, module: str) -> CheckFailed:
    return CheckFailed(
        f"The virtual table {name!r} is of the unknown module {module!r}, so it cannot be created.",
        where=f"table {name!r}"[:200],
        why=f"A restore creates virtual tables of {', '.join(sorted(MODULES))} only, because other modules could do anything.",
        fix="Drop the table in the live EDMS (or move it to its own database), back up, and let the EDMS create it again after a "
        "restore. To get at the rows of a snapshot that has it, read its Parquet files (docs/format.md).",
    )


def _refused(kind: str, name: str, why: str) -> CheckFailed:
    return CheckFailed(
        f"The snapshot's schema has a statement that no {kind} needs. It was not run.",
        where=f"{kind} {name!r}"[:200],
        why=why,
        fix="Do not use this snapshot until you know where the statement came from: `edms-backup verify` shows whether its objects are "
        "the ones that were written. The live system is untouched.",
    )
