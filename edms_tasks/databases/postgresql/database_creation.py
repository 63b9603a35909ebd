"""Check whether a server has a database, and whether this role may create one."""

from __future__ import annotations

import psycopg

from edms_tasks.errors import MayNotCreateDatabases
from edms_tasks.quoting import identifier

_Connection = psycopg.Connection[tuple[object, ...]]


def exists(connection: _Connection, name: str) -> bool:
    """Whether a database of that name is on the server."""
    return connection.execute("SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s", (name,)).fetchone() is not None


def may_create(connection: _Connection) -> bool:
    """Whether the connected role may create databases."""
    row = connection.execute(
        "SELECT rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    return bool(row and row[0])


def may_not_create(role: str, where: str) -> MayNotCreateDatabases:
    """The error for a role without CREATEDB."""
    return MayNotCreateDatabases(
        "The role may not create the staging database.",
        where=where,
        why=f"{role} lacks CREATEDB.",
        fix=f"As a superuser: ALTER ROLE {identifier(role)} CREATEDB; or create an empty database (CREATE DATABASE restored OWNER "
        f"{identifier(role)};) and restore with --into restored.",
    )
