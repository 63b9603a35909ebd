"""An empty PostgreSQL database for the EDMS's migrations to make tables in, and gone afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.mark import mark
from edms_tasks.databases.quoting import identifier
from edms_tasks.errors import MayNotCreateDatabases, TerminalError


@contextmanager
def created(address: DatabaseAddress, maintenance: DatabaseAddress, target: str) -> Iterator[DatabaseAddress]:
    """A database of that name, made new in UTF-8 and with the server's own collation; dropped on the way out.

    Args:
        address: of the database to be made.
        maintenance: where to connect for making it.
        target: the database it is made for.

    Raises:
        TerminalError: the server cannot make one in UTF-8.
    """
    name = identifier(address.name)
    with connected(maintenance) as connection:
        try:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'".encode())
        except psycopg.errors.InvalidParameterValue as error:
            raise TerminalError(
                "The server cannot make a database in UTF-8 with its own collation.",
                where=address.display,
                why=str(error).strip(),
                cure="Have an empty UTF-8 database made, and name it with --into.",
            ) from error
        mark(connection, address.name, target)
    try:
        yield address
    finally:
        with connected(maintenance) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@contextmanager
def lent(address: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """An empty database that is there already; whatever was made in it is dropped on the way out.

    Raises:
        MayNotCreateDatabases: the role may not drop what will be made, and may create no database of its own either.
    """
    with connected(address) as connection:
        row = connection.execute(
            "SELECT pg_catalog.pg_has_role(current_user, nspowner, 'USAGE') FROM pg_catalog.pg_namespace WHERE nspname = 'public'"
        ).fetchone()
    if row is not None and not row[0]:
        raise MayNotCreateDatabases(
            "The role may not create a database for the EDMS's migrations, and does not own the one it restores into.",
            where=address.display,
            cure="As a superuser: ALTER ROLE … CREATEDB; or ALTER SCHEMA public OWNER TO the role, in that database.",
        )
    try:
        yield address
    finally:
        with connected(address) as connection:
            rows = connection.execute(
                "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema'"
            ).fetchall()
            for (schema,) in rows:
                connection.execute(f"DROP SCHEMA {identifier(str(schema))} CASCADE".encode())
            connection.execute("CREATE SCHEMA public")
