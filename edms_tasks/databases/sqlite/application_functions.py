"""Functions and collations that only the EDMS's own connections have, such as Django's REGEXP.

SQLite reads a table with such a CHECK, generated column or index, and refuses to write to it. So rows are loaded under a
plain definition of the table, and the real one is put back afterwards through `PRAGMA writable_schema`, in the same file
(sqlite.org/lang_altertable.html, section 7). Indexes over such functions are built by the EDMS's own connection.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc

from edms_tasks.databases.sqlite.catalogue import affinities, has_rowid
from edms_tasks.quoting import identifier, literal

_FUNCTION = re.compile(r"(?:no such|unknown) function: ([^\s()]+)", re.IGNORECASE)
_COLLATION = re.compile(r"no such collation sequence: (\S+)", re.IGNORECASE)
_MISSING_AT_MOST = 200


@dataclass
class ForeignNames:
    """The functions and collations that a schema needs from the EDMS."""

    functions: set[str] = field(default_factory=set)
    collations: set[str] = field(default_factory=set)
    objects: dict[str, set[str]] = field(default_factory=dict)  # table or index -> the names it needs

    def needs_function(self, name: str) -> bool:
        """Whether a function of the EDMS computes values of this table or index."""
        return bool(self.objects.get(name, set()) & self.functions)

    def register(self, connection: sqlite3.Connection) -> None:
        """Define the names on a connection: collations compare bytes, and functions raise an error if they are called."""
        for name in self.collations:
            connection.create_collation(name, _by_bytes)
        for name in self.functions:
            connection.create_function(name, -1, _refuse(name), deterministic=True)


def find_foreign(
    statements: Iterable[tuple[str, str]], run: Callable[[sqlite3.Connection, str, str], object]
) -> ForeignNames:
    """Find the names that a schema needs, by creating its tables and indexes in an empty database.

    Args:
        statements: (name, CREATE TABLE or CREATE INDEX statement) of the whole schema, tables first.
        run: runs one of them; called with connection, name and statement.
    """
    found = ForeignNames()
    kept = list(statements)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for name, statement in kept:
            for _ in range(_MISSING_AT_MOST):
                try:
                    run(connection, name, statement)
                except sqlite3.Error as error:
                    if not _learn(found, name, str(error)):
                        break  # another problem, which creating the staging database will report
                    found.register(connection)
                else:
                    break
    _ask_the_loader(found, kept)
    return found


def register_in(connection: sqlite3.Connection) -> None:
    """Define on an open connection the names that its database's schema needs."""
    in_file(connection).register(connection)


def in_file(connection: sqlite3.Connection) -> ForeignNames:
    """The names that the schema of an open database needs."""
    statements = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql NOTNULL "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY type DESC, rowid"
    ).fetchall()
    return _of_schema(tuple(statements))


@lru_cache(maxsize=4)  # a run asks for each connection it opens, and the answer is the schema's alone
def _of_schema(statements: tuple[tuple[str, str], ...]) -> ForeignNames:
    return find_foreign(statements, lambda scratch, _, statement: scratch.execute(statement))


def plain_table(connection: sqlite3.Connection, name: str, *, keys: bool) -> str:
    """A CREATE TABLE statement under which a table's pages have the same rows, and nothing has to be computed.

    Stored generated columns become ordinary ones; virtual ones, which rows do not store, become NULL. With `keys`, the unique
    constraints stay in their order, so that their indexes stay. Collations of the EDMS are left out.
    """
    found = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    key = [(row[5], row[1], row[2]) for row in found if row[5]]
    indexes = connection.execute(f"PRAGMA index_list({literal(name)})").fetchall()
    with_rowid, kinds = has_rowid(connection, name), affinities(connection, name)
    alias = (
        with_rowid and [kind.upper() for _, _, kind in key] == ["INTEGER"] and not any(i[3] == "pk" for i in indexes)
    )
    parts = []
    for _, column, _, _, default, _, hidden in found:
        words = [identifier(column), kinds[column]]
        if alias and column == key[0][1]:
            words = [identifier(column), "INTEGER PRIMARY KEY"]
        elif hidden == 2:
            words.append("GENERATED ALWAYS AS (NULL) VIRTUAL")
        elif default is not None and not keys:  # rows from before ALTER TABLE … ADD COLUMN have no value stored
            words.append(f"DEFAULT ({default})")
        parts.append(" ".join(words))
    automatic = sorted((i for i in indexes if i[3] in ("u", "pk")), key=lambda i: int(i[1].rpartition("_")[2]))
    for _, index, _, origin, _ in automatic:
        if keys or (origin == "pk" and not with_rowid):
            # UNIQUE, because in a table with row ids an INTEGER PRIMARY KEY would become the row id.
            word = "PRIMARY KEY" if origin == "pk" and not with_rowid else "UNIQUE"
            parts.append(f"{word} ({', '.join(indexed_columns(connection, index))})")
    return f"CREATE TABLE {identifier(name)} ({', '.join(parts)}){'' if with_rowid else ' WITHOUT ROWID'}"


def set_definitions(connection: sqlite3.Connection, definitions: Sequence[tuple[str, str]]) -> None:
    """Write (table, CREATE TABLE statement) into the catalogue, without changing the tables."""
    connection.execute("PRAGMA writable_schema = ON")
    connection.executemany("UPDATE sqlite_master SET sql = ?2 WHERE type = 'table' AND name = ?1", definitions)
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute(f"PRAGMA schema_version = {int(version) + 1}")
    connection.execute("PRAGMA writable_schema = RESET")


def strip_for_reading(connection: sqlite3.Connection, foreign: ForeignNames) -> None:
    """Give the tables of a private copy that need the EDMS plain definitions, and drop their indexes and triggers."""
    tables = {
        table
        for kind, name, table in connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
        if kind in ("table", "index") and name in foreign.objects
    }
    plain = [(table, plain_table(connection, table, keys=False)) for table in sorted(tables)]
    connection.execute("PRAGMA writable_schema = ON")
    for table in tables:
        connection.execute("DELETE FROM sqlite_master WHERE type IN ('index', 'trigger') AND tbl_name = ?", (table,))
    set_definitions(connection, plain)


def indexed_columns(connection: sqlite3.Connection, index: str) -> list[str]:
    """The columns of an index as SQL, without the row's key that SQLite appends."""
    return [
        identifier(column)
        + (f" COLLATE {collation}" if collation.upper() in ("NOCASE", "RTRIM") else "")
        + (" DESC" if desc else "")
        for _, _, column, desc, collation, is_key in connection.execute(f"PRAGMA index_xinfo({literal(index)})")
        if is_key
    ]


def _learn(found: ForeignNames, name: str, message: str) -> bool:
    for pattern, names in ((_FUNCTION, found.functions), (_COLLATION, found.collations)):
        missing = pattern.search(message)
        if missing:
            word = missing.group(1)
            known = word in names
            names.add(word)
            found.objects.setdefault(name, set()).add(word)
            return not known
    return False


def _ask_the_loader(found: ForeignNames, statements: Sequence[tuple[str, str]]) -> None:
    """Add names that ADBC's SQLite library lacks: it loads the rows, and may lack functions that Python's library has."""
    with adbc.connect(":memory:", autocommit=True) as connection, connection.cursor() as cursor:
        for name, statement in statements:
            try:
                cursor.execute(statement)
                cursor.fetchall()
            except adbc_driver_manager.Error as error:
                missing = _FUNCTION.search(str(error)) or _COLLATION.search(str(error))
                if missing:
                    found.objects.setdefault(name, set()).add(missing.group(1))


def _by_bytes(left: str, right: str) -> int:
    one, other = left.encode("utf-8", "surrogateescape"), right.encode("utf-8", "surrogateescape")
    return (one > other) - (one < other)


def _refuse(name: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise ValueError(f"{name} is a function of the EDMS's own")

    return refuse
