"""Keep the throwaway database of a dump within its limits: its size is asked for, and its sessions are ended, by another login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.bounded_work import BoundedWork
from edms_tasks.databases.dumps import Dump, DumpLimits
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.refusable_statements import attempt
from edms_tasks.quoting import identifier

_MOST_MILLISECONDS = 2**31 - 1
_MOST_KILOBYTES = 2**31 - 1


@contextmanager
def bounded_work(
    dump: Dump,
    maintenance: DatabaseAddress,
    throwaway: DatabaseAddress,
    end_source: Callable[[], None],
) -> Iterator[BoundedWork]:
    """Work on the throwaway database that is ended at the limits.

    Args:
        dump: the dump.
        maintenance: another database of the server, with a login that may end sessions of the throwaway's role.
        throwaway: the database, with its own login.
        end_source: ends what the statements come from.
    """
    with connected(maintenance) as connection:

        def size() -> int:
            row = connection.execute("SELECT pg_catalog.pg_database_size(%s)", (throwaway.name,)).fetchone()
            assert row is not None  # the function returns one row
            return int(str(row[0]))

        def end() -> None:
            end_source()
            # A connection of its own: the other may have been interrupted in the middle of a question.
            with connected(maintenance) as another:
                another.execute(
                    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = %s",
                    (throwaway.user,),
                )

        yield BoundedWork(dump, size, end)


def bound_sessions(maintenance: DatabaseAddress, throwaway: DatabaseAddress, limits: DumpLimits) -> None:
    """Bound every session of the role, also those of the EDMS's code: a view of the dump may stand where the code has a table."""
    role = identifier(str(throwaway.user))
    milliseconds = min(int(limits.seconds * 1000), _MOST_MILLISECONDS)
    with connected(maintenance) as connection:
        connection.execute(f"ALTER ROLE {role} SET statement_timeout = {milliseconds}".encode())
        _bound_temporary_files(connection, role, limits)


def _bound_temporary_files(connection: psycopg.Connection[tuple[object, ...]], role: str, limits: DumpLimits) -> None:
    """Only a superuser may set it; without it, time alone bounds what sorts and hashes write."""
    kilobytes = min(limits.size >> 10, _MOST_KILOBYTES)
    attempt(connection, f"ALTER ROLE {role} SET temp_file_limit = {kilobytes}".encode())
