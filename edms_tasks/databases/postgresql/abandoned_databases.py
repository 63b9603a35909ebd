"""Drop databases that killed runs have left. They are recognised by their comment, and dropped only under the lock of their target.

A run holds that lock before it creates a staging database and until it promotes or drops it. So holding the lock shows that the
run has ended.
"""

from __future__ import annotations

import re
import secrets
from contextlib import ExitStack
from typing import Any

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.advisory_locks import advisory_lock
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.properties import MARK
from edms_tasks.databases.postgresql.staging_comment import target_of
from edms_tasks.databases.postgresql.subscriptions import drop_made
from edms_tasks.errors import TargetLocked

STAGING = "_edms_staging"
"""The suffix of staging databases' names, before the token."""

_LONGEST_NAME = 63  # NAMEDATALEN - 1
_TOKEN_BYTES = 4

_Connection = psycopg.Connection[Any]


def fitting(name: str, suffix: str) -> str:
    """`name + suffix`, with `name` shortened to fit into PostgreSQL's 63 bytes."""
    room = _LONGEST_NAME - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix


def unique_name(target: str, suffix: str) -> str:
    """A name for a database that is created for `target`; no other run uses it."""
    return fitting(target, f"{suffix}_{secrets.token_hex(_TOKEN_BYTES)}")


def remove_leftovers(maintenance: DatabaseAddress, live: str, held: str, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    """Drop the databases that killed runs have created; returns their names.

    Args:
        maintenance: the address of a database to connect to.
        live: the live database; earlier releases used fixed names for it and did not record the target.
        held: the database whose lock the caller holds.
        suffixes: the suffixes of created databases' names, before the token.
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
                        continue  # the run that created it is still running
                drop_made(connection, maintenance, name)
                removed.append(name)
    return tuple(removed)


def remove_made_for(maintenance: DatabaseAddress, held: str, suffix: str) -> None:
    """Drop only the databases that killed runs have created for `held`, whose lock the caller holds."""
    with connected(maintenance) as connection:
        for name, target in _made(connection, held, held, (suffix,)):
            if target == held:
                drop_made(connection, maintenance, name)


def _made(connection: _Connection, live: str, held: str, suffixes: tuple[str, ...]) -> list[tuple[str, str]]:
    """(database, the database it was created for) of all databases that a run has created."""
    rows = connection.execute(
        "SELECT datname, coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '') FROM pg_catalog.pg_database "
        "WHERE NOT datistemplate AND pg_catalog.pg_has_role(current_user, datdba, 'MEMBER') ORDER BY 1"
    ).fetchall()
    made = []
    for name, comment in rows:
        if comment.startswith(MARK):
            target = target_of(comment) or (live if name in [fitting(live, suffix) for suffix in suffixes] else None)
        else:
            # A kill between CREATE and COMMENT leaves a database without comment. It has one of our names and allows no connections.
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
    """Whether the database allows no connections, as ours do from their creation until they have their comment."""
    row = connection.execute(
        "SELECT NOT datallowconn FROM pg_catalog.pg_database WHERE datname = %s", (name,)
    ).fetchone()
    return bool(row and row[0])
