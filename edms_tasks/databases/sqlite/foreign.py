"""Functions and collations that only the EDMS's own connections know, as Django's REGEXP or a collation of its own.

SQLite reads a table with such a CHECK, generated column or index, and refuses to write to it. So rows are loaded into the same
table under a plain definition, and the definition is put back afterwards through `PRAGMA writable_schema`, in the same file
(sqlite.org/lang_altertable.html, section 7). What must be computed, indexes over such functions, is built by the EDMS's own
connection.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc

from edms_tasks.databases.sqlite.catalogue import affinity, has_rowid
from edms_tasks.quoting import identifier, literal

_FUNCTION = re.compile(r"(?:no such|unknown) function: ([^\s()]+)", re.IGNORECASE)
_COLLATION = re.compile(r"no such collation sequence: (\S+)", re.IGNORECASE)
_MISSING_AT_MOST = 200


@dataclass
class Foreign:
    """What a schema needs of the EDMS: `objects` says which table or index needs which names."""

    functions: set[str] = field(default_factory=set)
    collations: set[str] = field(default_factory=set)
    objects: dict[str, set[str]] = field(default_factory=dict)

    def needs_function(self, name: str) -> bool:
        """Whether values of this table or index are computed by a function of the EDMS's."""
        return bool(self.objects.get(name, set()) & self.functions)

    def register(self, connection: sqlite3.Connection) -> None:
        """Let a connection know the names: texts compare by their bytes, and a function that is called says whose it is."""
        for name in self.collations:
            connection.create_collation(name, _by_bytes)
        for name in self.functions:
            connection.create_function(name, -1, _refuse(name), deterministic=True)


def find_foreign(
    statements: Iterable[tuple[str, str]], run: Callable[[sqlite3.Connection, str, str], object]
) -> Foreign:
    """Try each (name, CREATE TABLE or CREATE INDEX statement), tables first, in an empty database.

    Args:
        statements: of a whole schema.
        run: runs one of them, by connection, name and statement.
    """
    found = Foreign()
    kept = list(statements)
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for name, statement in kept:
            for _ in range(_MISSING_AT_MOST):
                try:
                    run(connection, name, statement)
                except sqlite3.Error as error:
                    if not _learn(found, name, str(error)):
                        break  # another problem, which creating it for good will name
                    found.register(connection)
                else:
                    break
    _ask_the_loader(found, kept)
    return found


def register_in(connection: sqlite3.Connection) -> None:
    """Let an open connection know the names that the schema of its database needs."""
    in_file(connection).register(connection)


def in_file(connection: sqlite3.Connection) -> Foreign:
    """What the schema of an open database needs."""
    return find_foreign(
        connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql NOTNULL "
            "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY type DESC, rowid"
        ).fetchall(),
        lambda scratch, _, statement: scratch.execute(statement),
    )


def plain_table(connection: sqlite3.Connection, name: str, *, keys: bool) -> str:
    """A definition under which a table's pages mean the same rows, with nothing that has to be computed.

    Stored generated columns are ordinary ones; virtual ones stand in no row and are NULL. With `keys`, its unique constraints
    stand in their order, so that their indexes stay; collations of the EDMS's own are left out.
    """
    found = connection.execute(f"PRAGMA table_xinfo({literal(name)})").fetchall()
    key = [(row[5], row[1], row[2]) for row in found if row[5]]
    indexes = connection.execute(f"PRAGMA index_list({literal(name)})").fetchall()
    with_rowid = has_rowid(connection, name)
    alias = (
        with_rowid and [kind.upper() for _, _, kind in key] == ["INTEGER"] and not any(i[3] == "pk" for i in indexes)
    )
    parts = []
    for _, column, declared, _, default, _, hidden in found:
        words = [identifier(column), affinity(declared)]
        if alias and column == key[0][1]:
            words = [identifier(column), "INTEGER PRIMARY KEY"]
        elif hidden == 2:
            words.append("GENERATED ALWAYS AS (NULL) VIRTUAL")
        elif default is not None and not keys:  # rows from before ALTER TABLE … ADD COLUMN hold no value of their own
            words.append(f"DEFAULT ({default})")
        parts.append(" ".join(words))
    automatic = sorted((i for i in indexes if i[3] in ("u", "pk")), key=lambda i: int(i[1].rpartition("_")[2]))
    for _, index, _, origin, _ in automatic:
        if keys or (origin == "pk" and not with_rowid):
            # As PRIMARY KEY of a table with row ids, a column of this type could become the row id.
            word = "PRIMARY KEY" if origin == "pk" and not with_rowid else "UNIQUE"
            parts.append(f"{word} ({', '.join(_indexed(connection, index))})")
    return f"CREATE TABLE {identifier(name)} ({', '.join(parts)}){'' if with_rowid else ' WITHOUT ROWID'}"


def set_definitions(connection: sqlite3.Connection, definitions: Sequence[tuple[str, str]]) -> None:
    """Write (table, statement) into the catalogue as they are."""
    connection.execute("PRAGMA writable_schema = ON")
    connection.executemany("UPDATE sqlite_master SET sql = ?2 WHERE type = 'table' AND name = ?1", definitions)
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute(f"PRAGMA schema_version = {int(version) + 1}")
    connection.execute("PRAGMA writable_schema = RESET")


def strip_for_reading(connection: sqlite3.Connection, foreign: Foreign) -> None:
    """Leave a private copy with plain definitions and without the indexes of tables that need the EDMS."""
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


def _indexed(connection: sqlite3.Connection, index: str) -> list[str]:
    """The columns of an index; rows beyond them are those of the key it leads to."""
    return [
        identifier(column)
        + (f" COLLATE {collation}" if collation.upper() in ("NOCASE", "RTRIM") else "")
        + (" DESC" if desc else "")
        for _, _, column, desc, collation, is_key in connection.execute(f"PRAGMA index_xinfo({literal(index)})")
        if is_key
    ]


def _learn(found: Foreign, name: str, message: str) -> bool:
    for pattern, names in ((_FUNCTION, found.functions), (_COLLATION, found.collations)):
        missing = pattern.search(message)
        if missing:
            word = missing.group(1)
            known = word in names
            names.add(word)
            found.objects.setdefault(name, set()).add(word)
            return not known
    return False


def _ask_the_loader(found: Foreign, statements: Sequence[tuple[str, str]]) -> None:
    """Rows are loaded by another SQLite library, which may lack functions that Python's has."""
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
