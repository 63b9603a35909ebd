"""A database of its own, with a role of its own, in which a foreign dump is restored; both are dropped afterwards.

A dump may be hostile. The role owns this database and nothing else: it is no superuser, and can create neither databases nor roles. So
whatever a statement, function or trigger of the dump does, the server keeps it inside this database. All later work on the database is
done with the same login, so that no function of the dump ever runs as somebody else.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import psycopg
from pydantic import SecretStr

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.abandoned_databases import fitting, remove_made_for, unique_name
from edms_tasks.databases.postgresql.advisory_locks import advisory_lock
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.database_creation import may_create
from edms_tasks.databases.postgresql.refusable_statements import attempt
from edms_tasks.databases.postgresql.staging_comment import mark
from edms_tasks.databases.postgresql.subscriptions import drop_made
from edms_tasks.errors import DatabaseRefused, MayNotCreateDatabases, ServerNotReady
from edms_tasks.quoting import identifier, literal

_Connection = psycopg.Connection[tuple[object, ...]]
_SUFFIX = "_edms_dump"
_ROLE = "edms_dump_"
_ROLE_MARK = "edms-backup role of a throwaway database: safe to drop"
# Types, operators and search in text only: nothing in them reaches a file, a program or another server.
HARMLESS_EXTENSIONS = frozenset(
    [
        "btree_gin", "btree_gist", "citext", "cube", "earthdistance", "fuzzystrmatch", "hstore", "intarray", "isn", "ltree", "pg_trgm",
        "pgcrypto", "plpgsql", "postgis", "seg", "tablefunc", "tsm_system_rows", "unaccent", "uuid-ossp", "vector",
    ]
)  # fmt: skip


@contextmanager
def throwaway_database(
    live: DatabaseAddress,
    maintenance: DatabaseAddress,
    extensions: Sequence[str],
    *,
    encoding: str = "UTF8",
) -> Iterator[DatabaseAddress]:
    """Create the database and its role, and drop both at the end; what killed runs left is dropped first.

    Args:
        live: the database whose server is used. Nothing in it is read or written.
        maintenance: the address of another database of the server.
        extensions: those that the dump needs. The harmless ones are installed before anything of the dump is run.
        encoding: UTF8, or SQL_ASCII for a dump whose texts have no known encoding.

    Raises:
        MayNotCreateDatabases: the role may not create databases and roles.
        ServerNotReady: the server does not let the new role log in, or has no such encoding.
        TargetLocked: another run converts a dump on this server.
    """
    made_for = fitting(live.name, _SUFFIX)
    with advisory_lock(maintenance, made_for, "work", shared=False, purpose="convert a dump"):
        with connected(maintenance) as connection:
            creator, is_superuser = _require_may_create(connection, live)
            remove_made_for(maintenance, made_for, _SUFFIX)
            _remove_left_roles(connection)
            name, role = unique_name(made_for, _SUFFIX), f"{_ROLE}{secrets.token_hex(8)}"
            password = secrets.token_urlsafe(24)
            try:
                _create(connection, name, role, password, made_for, encoding, is_superuser=is_superuser)
            except BaseException:
                _drop(maintenance, name, role)
                raise
        try:
            address = _address_of(live, name, role, password)
            _require_login(address)
            if is_superuser:
                _install(maintenance.renamed(name), extensions)
            yield replace(address, recorded_owner=creator)
        finally:
            _drop(maintenance, name, role)


def _create(
    connection: _Connection, name: str, role: str, password: str, made_for: str, encoding: str, *, is_superuser: bool
) -> None:
    owner, quoted = identifier(role), identifier(name)
    # As a verifier: statements that create roles may be in the server's log.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    beyond = " BYPASSRLS" if is_superuser else ""  # rows that a policy hides from the owner are rows too
    with connection.transaction():  # it is never there without its mark
        connection.execute(f"CREATE ROLE {owner} LOGIN{beyond} PASSWORD {literal(verifier)}".encode())
        connection.execute(f"COMMENT ON ROLE {owner} IS {literal(_ROLE_MARK)}".encode())
    if not is_superuser:
        connection.execute(f"GRANT {owner} TO CURRENT_USER".encode())
    locale = " LC_COLLATE 'C' LC_CTYPE 'C'" if encoding == "SQL_ASCII" else ""
    try:
        connection.execute(
            f"CREATE DATABASE {quoted} OWNER {owner} TEMPLATE template0 ENCODING {literal(encoding)}{locale} "
            "ALLOW_CONNECTIONS false".encode()
        )
    except psycopg.errors.InvalidParameterValue as error:
        raise ServerNotReady(
            "The server cannot create a database for the dump.",
            where=f"encoding {encoding}",
            why=str(error).strip(),
            fix="Name a server whose own locale is of UTF-8: EDMS_BACKUP__RESTORE__DATABASE.",
        ) from error
    mark(connection, name, made_for)
    connection.execute(f"ALTER DATABASE {quoted} ALLOW_CONNECTIONS true".encode())


def _require_may_create(connection: _Connection, live: DatabaseAddress) -> tuple[str, bool]:
    """The current role, and whether it is a superuser. Raises MayNotCreateDatabases if it may not create what is needed."""
    row = connection.execute(
        "SELECT rolsuper, rolcreaterole, rolname FROM pg_catalog.pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None  # the current role exists
    superuser, createrole, name = bool(row[0]), bool(row[1]), str(row[2])
    if superuser or (createrole and may_create(connection)):
        return name, superuser
    raise MayNotCreateDatabases(
        "The role may not create a database and a role for the dump.",
        where=live.display,
        why=f"{name} lacks CREATEDB or CREATEROLE. A dump may contain anything, so it is restored by a role that owns nothing else.",
        fix=f"As a superuser: ALTER ROLE {identifier(name)} CREATEDB CREATEROLE; or name another server or login, which may be a test "
        "server's: EDMS_BACKUP__RESTORE__DATABASE=postgresql://….",
    )


def _address_of(live: DatabaseAddress, name: str, role: str, password: str) -> DatabaseAddress:
    # Another login: what belongs to that of the EDMS (its certificate, its password file, a role that it takes on) does not count.
    own = {"passfile", "service", "sslcert", "sslkey", "sslpassword", "options", "requirepeer"}
    kept = tuple(pair for pair in live.options if pair[0] not in own)
    return replace(live, name=name, user=role, password=SecretStr(password), options=(*kept, ("options", "")))


def _require_login(address: DatabaseAddress) -> None:
    try:
        with connected(address):
            pass
    except DatabaseRefused as error:
        raise ServerNotReady(
            "The server does not let the role of the throwaway database log in.",
            where=address.display,
            why=error.why,
            fix="Allow logins with a password (scram-sha-256) from this machine in the server's pg_hba.conf for roles of any name; or "
            "name a server that does: EDMS_BACKUP__RESTORE__DATABASE=postgresql://….",
        ) from error


def _install(address: DatabaseAddress, extensions: Sequence[str]) -> None:
    """Install extensions as a superuser, while nothing of the dump is in the database; what fails then fails again with a message."""
    with connected(address) as connection:
        for name in dict.fromkeys(extensions):
            if name in HARMLESS_EXTENSIONS:
                attempt(connection, f"CREATE EXTENSION IF NOT EXISTS {identifier(name)} SCHEMA public".encode())


def _drop(maintenance: DatabaseAddress, name: str, role: str) -> None:
    with connected(maintenance) as connection:
        drop_made(connection, maintenance, name)
        connection.execute(f"DROP ROLE IF EXISTS {identifier(role)}".encode())


def _remove_left_roles(connection: _Connection) -> None:
    """Drop the roles of killed runs. The caller holds the lock, and their databases are dropped."""
    rows = connection.execute(
        "SELECT rolname FROM pg_catalog.pg_roles r WHERE pg_catalog.shobj_description(r.oid, 'pg_authid') = %s "
        "AND NOT EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datdba = r.oid)",
        (_ROLE_MARK,),
    ).fetchall()
    for (name,) in rows:
        attempt(connection, f"DROP ROLE IF EXISTS {identifier(str(name))}".encode())
