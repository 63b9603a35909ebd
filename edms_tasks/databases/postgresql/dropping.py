"""Drop tables and columns of a restored PostgreSQL database, and list its foreign keys that are not valid.

Nothing is dropped with CASCADE: PostgreSQL refuses if a view, a foreign key or anything else depends on it, and names it. The
indexes and constraints that PostgreSQL drops with a column are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.protocol import DroppedPart, Unwanted
from edms_tasks.errors import SnapshotNewerThanCode
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier

_ENABLE = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}

_Connection = psycopg.Connection[tuple[object, ...]]


def broken_references(address: DatabaseAddress) -> dict[str, int]:
    """Foreign keys that are NOT VALID -> 0 (their rows are not counted). Those declared NOT ENFORCED do not count."""
    with connected(address) as connection:
        rows = connection.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_catalog.pg_constraint k WHERE contype = 'f' AND NOT convalidated "
            "AND coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)"
        ).fetchall()
    return {f"{name} of {table}": 0 for table, name in rows}


def drop_parts(address: DatabaseAddress, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
    """Drop all of `unwanted` in one transaction. Raises SnapshotNewerThanCode if something else depends on it."""
    dropped: list[DroppedPart] = []
    try:
        with connected(address, autocommit=False, own_search_path=True) as connection:
            with _event_triggers_disabled(connection):
                for table, names in unwanted.columns:
                    dropped += _drop_columns(connection, table, names)
                dropped += _drop_tables(connection, unwanted.tables)
                dropped += _forget(connection, unwanted)
            connection.commit()
    except psycopg.Error as error:
        raise SnapshotNewerThanCode(
            "Tables or columns that the EDMS's code does not know cannot be dropped.",
            where=address.display,
            why=str(error).strip()[:1500],
            fix="The live system is untouched. Install the version of the EDMS that the snapshot was made with, or restore with "
            "--into (without --drop-unknown) and change the copy by hand.",
        ) from error
    return tuple(dropped)


@contextmanager
def _event_triggers_disabled(connection: _Connection) -> Iterator[None]:
    """Disable the role's event triggers meanwhile: one that logs drops would add rows, or forbid the drop."""
    found = connection.execute(
        "SELECT pg_catalog.quote_ident(evtname), evtenabled::text FROM pg_catalog.pg_event_trigger "
        "WHERE evtenabled <> 'D' AND pg_catalog.pg_has_role(current_user, evtowner, 'USAGE')"
    ).fetchall()
    for name, _ in found:
        connection.execute(f"ALTER EVENT TRIGGER {name} DISABLE".encode())
    yield
    for name, enabled in found:
        connection.execute(f"ALTER EVENT TRIGGER {name} {_ENABLE[str(enabled)]}".encode())


def _drop_tables(connection: _Connection, tables: Sequence[Table]) -> Iterator[DroppedPart]:
    names = [identifier(table.schema_name, table.name) for table in tables]
    for table, name in zip(tables, names, strict=True):
        yield DroppedPart("table", table.id, _count(connection, f"SELECT count(*) FROM ONLY {name}"))
    if names:  # in one statement, because they may refer to each other
        connection.execute(f"DROP TABLE {', '.join(names)} RESTRICT".encode())


def _drop_columns(connection: _Connection, table: Table, names: Sequence[str]) -> Iterator[DroppedPart]:
    quoted = identifier(table.schema_name, table.name)
    for name in names:
        filled = _count(connection, f"SELECT count({identifier(name)}) FROM ONLY {quoted}")
        yield DroppedPart("column", f"{table.id}.{name}", filled)
    # PostgreSQL drops automatic dependents without a message. A column's default is not listed.
    own_path = connection.execute("SHOW search_path").fetchone()
    connection.execute("SET LOCAL search_path = ''")  # so that it is described by its full name
    rows = connection.execute(
        """
        SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
        FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = %s::regclass AND a.attname = ANY(%s)
          AND d.deptype IN ('a', 'i') AND d.classid <> 'pg_catalog.pg_attrdef'::regclass
        ORDER BY 1
        """,
        (quoted, list(names)),
    ).fetchall()
    connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", own_path)
    for (described,) in rows:
        yield DroppedPart("dependent", str(described))
    drops = ", ".join(f"DROP COLUMN {identifier(name)} RESTRICT" for name in names)
    connection.execute(f"ALTER TABLE {quoted} {drops}".encode())


def _forget(connection: _Connection, unwanted: Unwanted) -> Iterator[DroppedPart]:
    if unwanted.records is None:
        return
    records = identifier(unwanted.records.schema_name, unwanted.records.name)
    for app, name in unwanted.migrations:
        connection.execute(f"DELETE FROM {records} WHERE app = %s AND name = %s".encode(), (app, name))
        yield DroppedPart("migration", f"{app}.{name}")


def _count(connection: _Connection, query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None  # an aggregate always returns one row
    return int(str(row[0]))
