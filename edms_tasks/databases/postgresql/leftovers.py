"""Databases that a killed run has left: recognised by their comment, dropped only while the lock of their target is held.

Whoever makes a staging database holds that lock from before it is made until it is promoted or dropped, so that holding the lock shows
that the maker is gone.
"""

from __future__ import annotations

import re
import secrets
from contextlib import ExitStack
from typing import Any

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.locking import advisory_lock
from edms_tasks.databases.postgresql.mark import target_of
from edms_tasks.databases.postgresql.properties import MARK
from edms_tasks.databases.postgresql.subscriptions import drop_made
from edms_tasks.errors import TargetLocked

STAGING = "_edms_staging"
"""How the name of a database ends that is being restored into."""

_LONGEST_NAME = 63  # NAMEDATALEN - 1
_TOKEN_BYTES = 4

_Connection = psycopg.Connection[Any]


def fitting(name: str, suffix: str) -> str:
    """`name + suffix` within PostgreSQL's 63 bytes."""
    room = _LONGEST_NAME - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix


def unique_name(target: str, suffix: str) -> str:
    """A name for a database that is made for `target`, and that no other run will use."""
    return fitting(target, f"{suffix}_{secrets.token_hex(_TOKEN_BYTES)}")


def remove_leftovers(maintenance: DatabaseAddress, live: str, held: str, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Drop what killed runs have made; returns the names.

    Args:
        maintenance: where to connect.
        live: the live database; releases before this one made databases for it under fixed names, without saying so.
        held: the database whose lock the caller holds.
        suffixes: what the names of made databases end with, before their token.
    """
    removed = []
    with connected(maintenance) as connection:
        for name, target in _made(connection, live, held, suffixes):
            with ExitStack() as locks:
                if target != held:
                    try:
                        locks.enter_context(
                            advisory_lock(maintenance, target, "work", shared=False, purpose="look for leftovers")
                        )
                    except TargetLocked:
                        continue  # its maker lives
                drop_made(connection, maintenance, name)
                removed.append(name)
    return tuple(removed)


def remove_made_for(maintenance: DatabaseAddress, held: str, suffix: str) -> None:
    """Drop what killed runs have made for the database whose lock the caller holds, and nothing else."""
    with connected(maintenance) as connection:
        for name, target in _made(connection, held, held, (suffix,)):
            if target == held:
                drop_made(connection, maintenance, name)


def _made(connection: _Connection, live: str, held: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """(database, what it was made for)."""
    rows = connection.execute(
        "SELECT datname, coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '') FROM pg_catalog.pg_database "
        "WHERE NOT datistemplate AND pg_catalog.pg_has_role(current_user, datdba, 'MEMBER') ORDER BY 1"
    ).fetchall()
    made = []
    for name, comment in rows:
        if comment.startswith(MARK):
            target = target_of(comment) or (live if name in [fitting(live, suffix) for suffix in suffixes] else None)
        else:
            # A kill between CREATE and COMMENT leaves one without a comment; its name is ours all the same, and it is closed.
            target = next((one for one in {live, held} if not comment and _is_named_for(name, one, suffixes)), None)
            if target is not None and not _is_closed(connection, name):
                target = None
        if target is not None:
            made.append((str(name), target))
    return made


def _is_named_for(name: str, target: str, suffixes: tuple[str, ...]) -> bool:
    token = re.search(r"_[0-9a-f]{8}$", name)
    return token is not None and name in [fitting(target, suffix + token.group()) for suffix in suffixes]


def _is_closed(connection: _Connection, name: str) -> bool:
    """Nobody may connect: so it was from its creation until it had its comment."""
    row = connection.execute(
        "SELECT NOT datallowconn FROM pg_catalog.pg_database WHERE datname = %s", (name,)
    ).fetchone()
    return bool(row and row[0])
