"""Tables whose definitions use functions that only the EDMS's own connections have: in which of them a merge can write, and how.

The library that writes cannot have such functions (application_functions.py). For the time of a merge's transaction these tables get
plain definitions, under which the same pages have the same rows and nothing is computed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.databases.sqlite import catalogue
from edms_tasks.databases.sqlite.application_functions import ForeignNames, in_file, indexed_columns
from edms_tasks.quoting import identifier, identifiers, literal

_STORED, _VIRTUAL = 3, 2  # "hidden" of generated columns in PRAGMA table_xinfo


@dataclass(frozen=True)
class OwnTable:
    """A table whose definition uses functions of the EDMS, and into which a merge can write."""

    name: str
    definition: str
    plain: str  # a definition of the same pages under which nothing has to be computed
    computed: tuple[str, ...]  # its stored generated columns
    primary_key: tuple[str, ...]
    foreign: ForeignNames


def closed_tables(connection: sqlite3.Connection, foreign: ForeignNames) -> dict[str, str]:
    """Table -> why a merge cannot write to it: its rows are sorted, or its indexes are made, by what only the EDMS has."""
    closed: dict[str, list[str]] = {}
    made = connection.execute("SELECT name, type, tbl_name FROM sqlite_master ORDER BY name").fetchall()
    for name, kind, table in made:
        needed = foreign.objects.get(name, set())
        words = ", ".join(sorted(needed))
        if needed and kind == "index":
            closed.setdefault(table, []).append(f"{words} in the index {name}")
        elif needed & foreign.collations:
            closed.setdefault(table, []).append(words)
        elif needed and not _primary_key(connection.execute(f"PRAGMA table_xinfo({literal(table)})").fetchall()):
            closed.setdefault(table, []).append(f"{words}, and it has no primary key")
        elif needed and (index := _index_over_computed(connection, table)):
            closed.setdefault(table, []).append(f"{words} in a column of the index {index}")
    return {table: f"its definition uses {'; '.join(words)}" for table, words in closed.items()}


def own_tables(path: Path) -> dict[str, OwnTable]:
    """The tables of a database file, by name, that need the EDMS's functions and into which a merge can write."""
    with closing(sqlite3.connect(path)) as connection:
        foreign = in_file(connection)
        if not foreign.objects:
            return {}
        foreign.register(connection)
        closed = closed_tables(connection, foreign)
        counted = catalogue.read_counters(connection)
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: _own_table(connection, name, sql, foreign, is_counted=name in counted)
            for name, sql in made
            if name in foreign.objects and name not in closed
        }


def _own_table(
    connection: sqlite3.Connection, name: str, sql: str, foreign: ForeignNames, *, is_counted: bool
) -> OwnTable:
    columns = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    return OwnTable(
        name,
        sql,
        plain=_plain_table(connection, name, is_counted=is_counted, collations=_collations(sql, name, foreign)),
        computed=tuple(row[1] for row in columns if row[6] == _STORED),
        primary_key=tuple(_primary_key(columns)),
        foreign=foreign,
    )


def _plain_table(connection: sqlite3.Connection, name: str, *, is_counted: bool, collations: Mapping[str, str]) -> str:
    """A definition under which the table's pages have the same rows, its indexes the same order, and nothing is computed.

    What SQLite itself can check or count stays: keys, NOT NULL, references, AUTOINCREMENT.
    """
    columns = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    indexes = connection.execute(f"PRAGMA index_list({literal(name)})").fetchall()
    with_rowid, kinds = catalogue.has_rowid(connection, name), catalogue.affinities(connection, name)
    key = _primary_key(columns)
    is_row_id = with_rowid and len(key) == 1 and not any(index[3] == "pk" for index in indexes)
    parts = []
    for _, column, _, not_null, default, _, hidden in columns:
        words = [identifier(column), kinds[column], f"COLLATE {collations[column]}"]
        if is_row_id and column == key[0]:
            words = [identifier(column), "INTEGER PRIMARY KEY", *(["AUTOINCREMENT"] if is_counted else [])]
        elif hidden == _VIRTUAL:
            words.append("GENERATED ALWAYS AS (NULL) VIRTUAL")
        elif hidden != _STORED:
            words += ["NOT NULL"] if not_null else []
            words += [f"DEFAULT ({default})"] if default is not None else []
        parts.append(" ".join(words))
    automatic = [index for index in indexes if index[3] in ("u", "pk")]
    for _, index, _, origin, _ in sorted(automatic, key=lambda one: int(one[1].rpartition("_")[2])):
        # UNIQUE, because in a table with row ids an INTEGER PRIMARY KEY would become the row id.
        word = "PRIMARY KEY" if origin == "pk" and not with_rowid else "UNIQUE"
        parts.append(f"{word} ({', '.join(indexed_columns(connection, index))})")
    parts += _references(connection, name)
    return f"CREATE TABLE {identifier(name)} ({', '.join(parts)}){'' if with_rowid else ' WITHOUT ROWID'}"


def _primary_key(columns: Sequence[tuple[Any, ...]]) -> list[str]:
    return [str(row[1]) for row in sorted(columns, key=lambda row: int(row[5])) if row[5]]


def _references(connection: sqlite3.Connection, name: str) -> list[str]:
    found: dict[int, list[tuple[str, str, str | None]]] = {}
    for number, _, table, column, target, *_ in connection.execute(f"PRAGMA foreign_key_list({literal(name)})"):
        found.setdefault(number, []).append((table, column, target))
    made = []
    for parts in found.values():
        targets = [target for _, _, target in parts if target is not None]
        to = f" ({identifiers(targets)})" if targets else ""
        made.append(
            f"FOREIGN KEY ({identifiers([column for _, column, _ in parts])}) REFERENCES {identifier(parts[0][0])}{to}"
        )
    return made


def _collations(definition: str, name: str, foreign: ForeignNames) -> dict[str, str]:
    """The collation of each column: an index over it has the same, and SQLite tells that."""
    found = {}
    with closing(sqlite3.connect(":memory:")) as scratch:
        foreign.register(scratch)
        scratch.execute(definition)
        for column in [row[1] for row in scratch.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()]:
            scratch.execute(f"CREATE INDEX asked ON {identifier(name)} ({identifier(column)})")
            found[column] = scratch.execute("PRAGMA index_xinfo(asked)").fetchone()[4]
            scratch.execute("DROP INDEX asked")
    return found


def _index_over_computed(connection: sqlite3.Connection, table: str) -> str:
    """An index whose entries may be made from virtual columns, which a plain definition does not compute; "" if there is none."""
    columns = connection.execute(f"PRAGMA table_xinfo({literal(table)})").fetchall()
    virtual = {row[1] for row in columns if row[6] == _VIRTUAL}
    if not virtual:
        return ""
    for name, sql in connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,)
    ):
        over = {row[2] for row in connection.execute(f"PRAGMA index_xinfo({literal(name)})").fetchall() if row[5]}
        # Expressions and WHERE clauses name the columns that they use.
        if over & virtual or any(column.lower() in (sql or "").lower() for column in virtual):
            return str(name)
    return ""
