"""A temporary empty PostgreSQL database in which the EDMS's migrations create tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.staging_comment import mark
from edms_tasks.errors import MayNotCreateDatabases, TerminalError
from edms_tasks.quoting import identifier


@contextmanager
def created(address: DatabaseAddress, maintenance: DatabaseAddress, target: str) -> Iterator[DatabaseAddress]:
    """Create a UTF-8 database with the server's own collation; it is dropped afterwards.

    Args:
        address: the address of the new database.
        maintenance: the address of another database of the server, to connect to for creating it.
        target: the database that it is created for.

    Raises:
        TerminalError: the server cannot create it in UTF-8.
    """
    name = identifier(address.name)
    with connected(maintenance) as connection:
        try:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        except psycopg.errors.InvalidParameterValue as error:
            raise TerminalError(
                "The server cannot create a UTF-8 database with its own collation.",
                where=address.display,
                why=str(error).strip(),
                fix="Ask for an empty UTF-8 database, and name it with --into.",
            ) from error
        mark(connection, address.name, target)
    try:
        yield address
    finally:
        with connected(maintenance) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@contextmanager
def borrowed(address: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """Use an existing empty database; everything that was created in it meanwhile is dropped afterwards, and nothing else.

    Raises:
        MayNotCreateDatabases: the role could not drop what is created there.
    """
    with connected(address) as connection:
        row = connection.execute(
            "SELECT pg_catalog.pg_has_role(current_user, nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'public'"
        ).fetchone()
    if row is not None and not row[0]:
        raise MayNotCreateDatabases(
            "The role may not create a database for the EDMS's migrations and does not own the target's.",
            where=address.display,
            fix="As a superuser: ALTER ROLE … CREATEDB; or ALTER SCHEMA public OWNER TO the role, in that database.",
        )
    with connected(address) as connection:
        before = {query: _names(connection, query) for query in _MADE}
    try:
        yield address
    finally:
        with connected(address) as connection:
            for query, statement in _MADE.items():
                for name in _names(connection, query) - before[query]:
                    connection.execute(statement.format(name).encode())


def _of_the_user(catalogue: str, schema: str, condition: str) -> str:
    """FROM and WHERE for objects `c` outside the server's own schemas that belong to no extension."""
    return (
        f"FROM pg_catalog.{catalogue} c JOIN pg_catalog.pg_namespace n ON n.oid = c.{schema} WHERE {condition} "
        "AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND NOT EXISTS ("
        "SELECT FROM pg_catalog.pg_depend d "
        f"WHERE d.classid = 'pg_catalog.{catalogue}'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
    )


def _relations(kinds: str) -> str:
    return f"SELECT c.oid::regclass::text {_of_the_user('pg_class', 'relnamespace', f'c.relkind IN ({kinds})')}"


# Query for objects that migrations may create -> the statement that drops one; objects in a new schema are dropped with it.
_MADE = {
    "SELECT pg_catalog.quote_ident(extname) FROM pg_catalog.pg_extension": "DROP EXTENSION IF EXISTS {} CASCADE",
    "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\\_%'": (
        "DROP SCHEMA IF EXISTS {} CASCADE"
    ),
    _relations("'r', 'p'"): "DROP TABLE IF EXISTS {} CASCADE",
    _relations("'v'"): "DROP VIEW IF EXISTS {} CASCADE",
    _relations("'m'"): "DROP MATERIALIZED VIEW IF EXISTS {} CASCADE",
    _relations("'S'"): "DROP SEQUENCE IF EXISTS {} CASCADE",
    f"SELECT c.oid::regprocedure::text {_of_the_user('pg_proc', 'pronamespace', 'true')}": (
        "DROP ROUTINE IF EXISTS {} CASCADE"
    ),
    "SELECT c.oid::regtype::text " + _of_the_user("pg_type", "typnamespace", "c.typtype IN ('d', 'e', 'r')"): (
        "DROP TYPE IF EXISTS {} CASCADE"
    ),
}


def _names(connection: psycopg.Connection[tuple[object, ...]], query: str) -> set[str]:
    """The names that a query finds, quoted and with schemas, because our sessions have an empty search_path."""
    return {str(name) for (name,) in connection.execute(query.encode()).fetchall()}
