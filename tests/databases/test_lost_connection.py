"""Connections that end in the middle of the work: whatever runs then, the lost connection is what is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import psycopg
import pytest

from edms_tasks.errors import DatabaseRefused, TerminalError, TransientError
from flows.running.flow_decorators import Task
from flows.running.known_failures import with_known_failures
from flows.running.threads import ThreadRunner
from tests.backed_up import BackedUpSystems
from tests.databases.arriving_rows import arriving_rows
from tests.running import Protected, run_backup, run_merge, run_restore

ENDS = "SELECT pg_terminate_backend(pg_backend_pid())"
OTHERS_END = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
Execute = Callable[[str], Any]
VERBS: dict[str, Callable[..., Any]] = {"backup": run_backup, "restore": run_restore, "merge": run_merge}


@pytest.fixture
def drivers(postgres_database: str) -> Iterator[list[Execute]]:
    """A statement's execution by each driver, as tasks run it."""
    one, other = psycopg.connect(postgres_database, autocommit=True), adbc.connect(postgres_database)
    cursor = other.cursor()

    def execute(statement: str) -> None:
        cursor.execute(statement)
        cursor.fetchall()

    yield [with_known_failures(one.execute, str), with_known_failures(execute, str)]
    cursor.close()
    other.close()
    one.close()


def test_a_lost_connection_is_recognised_for_each_driver(drivers: list[Execute]) -> None:
    for execute in drivers:
        for statement in (ENDS, "SELECT 1"):  # the second finds it ended
            with pytest.raises(DatabaseRefused) as refused:
                execute(statement)
            assert refused.value.transient and refused.value.exit_code == 3 and refused.value.why


def test_a_server_that_cannot_be_reached_is_a_lost_connection() -> None:
    with pytest.raises(DatabaseRefused):
        with_known_failures(adbc.connect, str)("postgresql://127.0.0.1:1/nobody")


def test_an_error_of_the_server_is_no_lost_connection(drivers: list[Execute]) -> None:
    for execute in drivers:
        with pytest.raises((psycopg.errors.DivisionByZero, adbc_driver_manager.Error)):
            execute("SELECT 1/0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verb", "task"),
    [
        ("backup", "extract table"),
        *(
            pytest.param(verb, task, marks=pytest.mark.long)
            for verb, tasks in {
                "backup": ["read catalogue", "capture schema", "read sequences"],
                "restore": [
                    "load table",
                    "build indexes",
                    "gather statistics",
                    "check structure",
                    "extract table",
                    "validate",
                ],
                "merge": ["extract table", "match rows", "write rows", "commit"],
            }.items()
            for task in tasks
        ),
    ],
)
def test_a_run_reports_a_lost_connection(backed_up: BackedUpSystems, verb: str, task: str) -> None:
    protected = backed_up("postgresql").protected

    with pytest.raises(TransientError) as refused:
        VERBS[verb](protected.settings, Ending(protected, task))

    assert refused.value.exit_code == 3 and refused.value.fix


class Ending(ThreadRunner):
    """Ends every other session of the server before a task of this name, as an administrator or a crash does."""

    def __init__(self, protected: Protected, name: str) -> None:
        super().__init__()
        self._url, self._name, self._ended = protected.edms.database_url, name, False

    def call(self, task: Task[Any, Any], /, *args: Any, **kwargs: Any) -> Any:
        if task.name == self._name and not self._ended:
            self._ended = True
            with psycopg.connect(self._url, autocommit=True) as session:
                session.execute(OTHERS_END)
        return super().call(task, *args, **kwargs)


def test_a_connection_lost_while_rows_are_loaded_is_no_refusal_of_the_rows() -> None:
    def load() -> None:
        try:
            raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")
        except psycopg.Error as error:
            raise TerminalError("PostgreSQL refused rows of documents.Document.", where="here") from error

    def refuse() -> None:
        try:
            raise psycopg.errors.UniqueViolation("duplicate key value")
        except psycopg.Error as error:
            raise TerminalError("PostgreSQL refused rows of documents.Document.", where="here") from error

    with pytest.raises(DatabaseRefused, match=r"The connection to the database was lost") as lost:
        with_known_failures(load, lambda: "load")()
    with pytest.raises(TerminalError, match="refused rows"):
        with_known_failures(refuse, lambda: "load")()
    assert lost.value.exit_code == 3 and lost.value.where == "here"


def test_a_connection_that_is_lost_while_rows_arrive_is_reported_as_lost(
    postgres_database: str, tmp_path: Path
) -> None:
    with arriving_rows(postgres_database, tmp_path) as (other, _, pieces):
        other.execute(OTHERS_END)

        with pytest.raises(DatabaseRefused) as refused:
            with_known_failures(lambda: list(pieces), str)()

    assert refused.value.transient and refused.value.why
