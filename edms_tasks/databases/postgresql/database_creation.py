"""Check whether a server has a database, and whether this role may create one and rename the live one, as a restore does."""

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


def may_rename(connection: _Connection, name: str) -> bool:
    """Whether the connected role has the rights of the database's owner, without which it cannot be renamed; True if it does not exist."""
    row = connection.execute(
        "SELECT pg_catalog.pg_has_role(current_user, datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = %s",
        (name,),
    ).fetchone()
    return row is None or bool(row[0])


def may_not_rename(connection: _Connection, role: str, name: str, where: str) -> MayNotCreateDatabases:
    """The error for a role that is not the owner of the live database."""
    row = connection.execute(
        "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = %s", (name,)
    ).fetchone()
    owner = str(row[0]) if row else "another role"
    return MayNotCreateDatabases(
        "The role may not rename the live database, so nothing can be swapped with it.",
        where=where,
        why=f"It belongs to {owner}, and {role} does not have that role's rights.",
        fix=f"As a superuser: ALTER DATABASE {identifier(name)} OWNER TO {identifier(role)}; or restore as its owner "
        "(EDMS_BACKUP__RESTORE__DATABASE), or beside it with --into.",
    )
