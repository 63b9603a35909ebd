"""Drop a database that we created and that has subscriptions, which PostgreSQL refuses to drop.

A subscription is restored disabled, as pg_dump writes it, and has the name of the replication slot that the live one uses. It is
detached from the slot before it is dropped: otherwise DROP SUBSCRIPTION would drop the slot at the publisher, and with it the live
database's position in the stream.
"""

from __future__ import annotations

import psycopg
from psycopg import errors

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.refusable_statements import attempt
from edms_tasks.quoting import identifier

_Connection = psycopg.Connection[tuple[object, ...]]


def drop_made(connection: _Connection, maintenance: DatabaseAddress, name: str) -> None:
    """Drop a database that we created, even if sessions are connected; it need not exist.

    Args:
        connection: a connection to another database of the server.
        maintenance: the address of that other database.
        name: the database to drop.
    """
    statement = f"DROP DATABASE IF EXISTS {identifier(name)} WITH (FORCE)".encode()
    try:
        connection.execute(statement)
    except errors.ObjectInUse:
        if not _has_subscriptions(connection, name):
            raise
        connection.execute(f"ALTER DATABASE {identifier(name)} ALLOW_CONNECTIONS true".encode())
        _drop_subscriptions(maintenance.renamed(name))
        connection.execute(statement)


def _has_subscriptions(connection: _Connection, name: str) -> bool:
    query = "SELECT 1 FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE datname = %s"
    return connection.execute(query, (name,)).fetchone() is not None


def _drop_subscriptions(address: DatabaseAddress) -> None:
    with connected(address) as connection:
        # Event triggers of the restored database must not fire. If this is refused, the role cannot have created any.
        attempt(connection, b"SET session_replication_role = replica")
        rows = connection.execute(
            "SELECT subname FROM pg_catalog.pg_subscription "
            "WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
        ).fetchall()
        for (name,) in rows:
            quoted = identifier(str(name))
            connection.execute(f"ALTER SUBSCRIPTION {quoted} DISABLE".encode())
            connection.execute(f"ALTER SUBSCRIPTION {quoted} SET (slot_name = NONE)".encode())
            connection.execute(f"DROP SUBSCRIPTION {quoted}".encode())
