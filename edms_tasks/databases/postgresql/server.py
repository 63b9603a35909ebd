"""Read what a PostgreSQL server has (roles, tablespaces, extensions), and what the restoring role may do there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Extension:
    """An extension that is available on the server."""

    version: str
    needs_superuser: bool


@dataclass(frozen=True)
class ServerCapabilities:
    """A server as seen by one role from one database."""

    version: int  # as libpq gives it: 150004
    role: str
    superuser: bool
    roles: frozenset[str]
    assumable: frozenset[str]  # roles that this role may make owners
    tablespaces: frozenset[str]  # tablespaces that this role may use
    available: Mapping[str, Extension]
    installed: Mapping[str, str] = field(default_factory=dict)  # extension of this database -> its schema
    schemas: frozenset[str] = frozenset()  # of this database


def read_server(connection: Connection) -> ServerCapabilities:
    """Read the facts from the connected database."""
    version = connection.info.server_version
    row = connection.execute(
        "SELECT current_user, rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None  # the current role exists
    option = "SET" if version >= 160000 else "MEMBER"
    roles = connection.execute(
        "SELECT rolname, pg_catalog.pg_has_role(current_user, oid, %s) FROM pg_catalog.pg_roles", (option,)
    ).fetchall()
    spaces = connection.execute(
        "SELECT spcname FROM pg_catalog.pg_tablespace WHERE spcname = 'pg_default' "
        "OR pg_catalog.has_tablespace_privilege(oid, 'CREATE')"
    ).fetchall()
    extensions = connection.execute(
        """
        SELECT e.name, e.default_version, v.superuser AND NOT coalesce((to_jsonb(v) ->> 'trusted')::boolean, false)
        FROM pg_catalog.pg_available_extensions e
        JOIN pg_catalog.pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
        """
    ).fetchall()
    installed = connection.execute(
        "SELECT extname, nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace"
    ).fetchall()
    schemas = connection.execute("SELECT nspname FROM pg_catalog.pg_namespace").fetchall()
    return ServerCapabilities(
        version=version,
        role=str(row[0]),
        superuser=bool(row[1]),
        roles=frozenset(str(name) for name, _ in roles),
        assumable=frozenset(str(name) for name, may in roles if may),
        tablespaces=frozenset(str(name) for (name,) in spaces),
        available={str(name): Extension(str(default), bool(needs)) for name, default, needs in extensions},
        installed={str(name): str(schema) for name, schema in installed},
        schemas=frozenset(str(name) for (name,) in schemas),
    )
