"""Tables of extensions whose rows are the user's: an extension's *configuration tables* (pg_extension_config_dump).

pg_dump carries the rows that a condition of the extension takes for the user's. Here all of them are carried, and replace
at a restore what CREATE EXTENSION put there, so that a row which came with the extension and was changed is as it was.
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
# A sequence that numbers a configuration table's rows stands where they do, whether or not the extension says so.
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
    """Configuration tables that this role may not read, or not whole: nobody can say whether the user has rows in them."""
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
            f"This table of the extension {extension} holds rows of its users. This role may not read all of them, and they are not "
            "in the snapshot.",
            fix=f"GRANT SELECT ON {identifier(str(schema), str(name))} to the role, and BYPASSRLS if the table has row security.",
        )
        for extension, schema, name in rows
    )


def empty_extension_table(connection: Connection, name: str) -> None:
    """Remove the rows that came with CREATE EXTENSION, in the caller's transaction, which then loads the snapshot's.

    Tables of an extension reference each other and have triggers already; a superuser's session leaves both out of it.
    """
    if connection.execute("SHOW is_superuser").fetchone() == ("on",):
        connection.execute("SET LOCAL session_replication_role = replica")
    connection.execute(f"DELETE FROM ONLY {name}".encode())


def left_as_made(connection: Connection, entry: TableEntry, where: str) -> str:
    """The note on a table whose rows this role may not write, where there are as many as in the snapshot; the validation compares them.

    Raises:
        TerminalError: there are others, so rows of the user would be missing.
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
