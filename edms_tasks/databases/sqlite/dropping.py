"""Drop tables and columns of a restored SQLite file, and check its foreign keys.

SQLite drops a table even if something refers to it, so views, triggers and foreign keys are searched first.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from edms_tasks.databases.protocol import DroppedPart, Unwanted
from edms_tasks.databases.sqlite.application_functions import register_in
from edms_tasks.errors import SnapshotNewerThanCode
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal


def broken_references(path: Path) -> dict[str, int]:
    """Foreign key -> number of rows that violate it."""
    with closing(sqlite3.connect(path)) as connection:
        register_in(connection)
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    found: Counter[str] = Counter(f"{table} to {target}, foreign key {number}" for table, _, target, number in broken)
    return dict(found)


def drop_parts(path: Path, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
    """Drop all of `unwanted` in one transaction. Raises SnapshotNewerThanCode if something else depends on it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN")
        _require_nobody_depends(connection, path, unwanted)
        dropped: list[DroppedPart] = []
        try:
            for table, names in unwanted.columns:
                dropped += _drop_columns(connection, table, names)
            for table in unwanted.tables:
                ((rows,),) = connection.execute(f"SELECT count(*) FROM {identifier(table.name)}")
                dropped.append(DroppedPart("table", table.id, rows))
                connection.execute(f"DROP TABLE {identifier(table.name)}")
            for (view,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
                connection.execute(f"SELECT 1 FROM {identifier(view)} LIMIT 0")
        except sqlite3.Error as error:
            raise _refusal(path, str(error)) from error
        dropped += _forget(connection, unwanted)
        connection.execute("COMMIT")
    return tuple(dropped)


def _drop_columns(connection: sqlite3.Connection, table: Table, names: Sequence[str]) -> Iterator[DroppedPart]:
    quoted = identifier(table.name)
    for name in names:
        ((filled,),) = connection.execute(f"SELECT count({identifier(name)}) FROM {quoted}")
        yield DroppedPart("column", f"{table.id}.{name}", filled)
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    for index, sql in connection.execute(indexes, (table.name,)).fetchall():
        if any(_names(sql.partition("(")[2], name) for name in names):
            yield DroppedPart("dependent", f"index {index} on {table.id}")
            connection.execute(f"DROP INDEX {identifier(index)}")
    for name in names:
        connection.execute(f"ALTER TABLE {quoted} DROP COLUMN {identifier(name)}")


def _forget(connection: sqlite3.Connection, unwanted: Unwanted) -> Iterator[DroppedPart]:
    if unwanted.records is None:
        return
    for app, name in unwanted.migrations:
        connection.execute(f"DELETE FROM {identifier(unwanted.records.name)} WHERE app = ? AND name = ?", (app, name))
        yield DroppedPart("migration", f"{app}.{name}")


def _require_nobody_depends(connection: sqlite3.Connection, path: Path, unwanted: Unwanted) -> None:
    """Check that nothing else depends on `unwanted`. SQLite does not: it reads a quoted name that is no column as a string."""
    tables = {table.name.lower() for table in unwanted.tables}
    columns = {table.name.lower(): {name.lower() for name in names} for table, names in unwanted.columns}
    found = []
    every = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for name in (name for (name,) in every if name.lower() not in tables):
        for _, _, target, column, target_column, *_ in connection.execute(f"PRAGMA foreign_key_list({literal(name)})"):
            going = target.lower() in tables or (target_column or "").lower() in columns.get(target.lower(), ())
            if going and column.lower() not in columns.get(name.lower(), ()):
                found.append(f"the foreign key {name}.{column} refers to {target}")
    for kind, name, table, sql in connection.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('view', 'trigger')"
    ):
        if kind == "trigger" and table.lower() in tables:
            continue  # it is dropped with its table
        found += [f"the {kind} {name} names {word}" for word in sorted(tables) if _names(sql, word)]
        for owner, words in columns.items():
            if _names(sql, owner):
                found += [f"the {kind} {name} names {owner}.{word}" for word in sorted(words) if _names(sql, word)]
    if found:
        raise _refusal(path, "; ".join(found))


def _names(sql: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sql.replace('""', '"'), flags=re.IGNORECASE) is not None


def _refusal(path: Path, why: str) -> SnapshotNewerThanCode:
    return SnapshotNewerThanCode(
        "Tables or columns that the EDMS's code does not know cannot be dropped: something depends on them, or SQLite cannot drop them.",
        where=str(path),
        why=why,
        fix="The live system is untouched. Install the version of the EDMS that the snapshot was made with, or restore with --into "
        "(without --drop-unknown) and change the copy by hand.",
    )
