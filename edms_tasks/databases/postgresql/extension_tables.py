"""The *configuration tables* of extensions (pg_extension_config_dump), whose rows are the user's.

pg_dump writes only the rows that a condition of the extension selects. A backup stores all of them, and a restore replaces those of
CREATE EXTENSION with them, so that a row that came with the extension and was changed is restored as it was.
"""

from __future__ import annotations

import psycopg

from edms_tasks.errors import TerminalError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier

# Conditions and an expression on pg_class `c` and pg_namespace `n`.
OF_AN_EXTENSION = """EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
)"""
EXTENSION = "(SELECT x.extname::text FROM pg_catalog.pg_extension x WHERE c.oid = ANY (x.extconfig))"
# Also a sequence that numbers a configuration table's rows, even if the extension does not list it.
CONFIGURATION = """EXISTS (
    SELECT FROM pg_catalog.pg_extension x WHERE c.oid = ANY (x.extconfig) OR (c.relkind = 'S' AND EXISTS (
        SELECT FROM pg_catalog.pg_depend o
        WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = c.oid AND o.deptype IN ('a', 'i')
        AND o.refclassid = 'pg_catalog.pg_class'::regclass AND o.refobjid = ANY (x.extconfig)
    ))
)"""
READABLE = """(
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    AND NOT pg_catalog.row_security_active(c.oid)
)"""

Connection = psycopg.Connection[tuple[object, ...]]


def read_unreadable(connection: Connection) -> tuple[Finding, ...]:
    """Findings on configuration tables that this role may not read completely."""
    rows = connection.execute(
        f"""
        SELECT {EXTENSION}, n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND {CONFIGURATION} AND NOT {READABLE} ORDER BY 2, 3
        """.encode()
    ).fetchall()
    return tuple(
        make_finding(
            "extension-rows-not-readable",
            f"{schema}.{name}",
            f"This table of the extension {extension} has rows of users. This role may not read all of them. Those are not in the "
            "snapshot.",
            fix=f"GRANT SELECT ON {identifier(str(schema), str(name))} to the role, and BYPASSRLS if the table has row security.",
        )
        for extension, schema, name in rows
    )


def empty_extension_table(connection: Connection, name: str) -> None:
    """Delete the rows of CREATE EXTENSION in the caller's transaction, which then loads the snapshot's.

    The tables already have foreign keys and triggers. For a superuser both are disabled in this transaction.
    """
    if connection.execute("SHOW is_superuser").fetchone() == ("on",):
        connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(f"DELETE FROM ONLY {name}".encode())


def note_on_unwritable_table(connection: Connection, entry: TableEntry, where: str) -> str:
    """A note on a table that this role may not write, if it has as many rows as the snapshot; the validation compares them.

    Raises:
        TerminalError: the number differs, so rows of the user would be missing.
    """
    table = entry.table
    name = identifier(table.schema_name, table.name)
    readable = connection.execute("SELECT pg_catalog.has_table_privilege(%s, 'SELECT')", (name,)).fetchone() == (True,)
    row = connection.execute(f"SELECT count(*) FROM ONLY {name}".encode()).fetchone() if readable else None
    if row != (entry.state.rows,):
        raise TerminalError(
            f"This role may not write the rows of {table.id}, a table of the extension {table.extension}.",
            where=where,
            why=f"It has {row[0]} rows from the extension itself; the snapshot has {entry.state.rows}."
            if row
            else "It may not read them either.",
            fix="The live system is untouched. Restore as a superuser (EDMS_BACKUP__RESTORE__DATABASE), or make backups without "
            "the table: [exclude] tables.",
        )
    return f"{table.id} is as its extension {table.extension} created it, because this role may not write its rows."
