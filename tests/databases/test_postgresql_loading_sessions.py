"""Sessions that load tables: kept for the next table, replaced when the server ended them, ended with an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.databases.postgresql.connection import Connection
from edms_tasks.databases.postgresql.loading_sessions import LoadingSessions
from tests.postgres_server import PostgresServer


@pytest.fixture
def sessions(postgres_database: str) -> Iterator[LoadingSessions]:
    with closing(LoadingSessions(DatabaseAddress.from_url(postgres_database))) as sessions:
        yield sessions


def test_a_session_is_kept_for_the_next_table_with_an_empty_search_path(sessions: LoadingSessions) -> None:
    with sessions.one() as first:
        process = first.info.backend_pid
        first.execute("CREATE TABLE public.kept ()")
        first.execute("SET search_path = public")
        first.commit()
        first.execute("CREATE TABLE public.undone ()")
    with sessions.one() as second, sessions.one() as beside:
        path = _ask(second, "SHOW search_path")
        tables = _ask(second, "SELECT relname FROM pg_class WHERE relname IN ('kept', 'undone')")

        assert second.info.backend_pid == process != beside.info.backend_pid
        assert (path, tables) == ([("",)], [("kept",)])


def test_a_session_that_the_server_ended_is_replaced(
    sessions: LoadingSessions, postgres_server: PostgresServer
) -> None:
    with sessions.one() as first:
        process = first.info.backend_pid
    with postgres_server.connect() as other:
        other.execute("SELECT pg_terminate_backend(%s, 10000)", (process,))

    with sessions.one() as second:
        assert _ask(second, "SELECT 1") == [(1,)]


def test_no_session_is_left_after_an_error_or_the_end(
    sessions: LoadingSessions, postgres_database: str, postgres_server: PostgresServer
) -> None:
    with sessions.one(), pytest.raises(psycopg.errors.DivisionByZero), sessions.one() as failed:
        failed.execute("SELECT 1 / 0")
    assert failed.closed

    sessions.close()

    database = postgres_database.rpartition("/")[2]
    with postgres_server.connect() as other:
        other.execute(f'ALTER DATABASE "{database}" RENAME TO "{database}_2"')
        other.execute(f'ALTER DATABASE "{database}_2" RENAME TO "{database}"')


def _ask(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query.encode()).fetchall()
