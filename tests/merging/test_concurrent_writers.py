"""Somebody else writes while a merge is under way: they wait, or the merge gives up; no write is lost and none is mixed in."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from edms_tasks.databases.postgresql import merging as postgresql
from edms_tasks.databases.sqlite import merging as sqlite
from edms_tasks.errors import TargetInUse
from flows.running.flow_decorators import Task
from flows.running.threads import ThreadRunner
from tests.backed_up import BackedUpSystems
from tests.independent_comparison import differences, picture
from tests.reference_system import Engine, ReferenceEdms
from tests.running import Protected, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


class Interrupted(ThreadRunner):
    """A runner that does something else just before the rows are written: when everything has been read and planned."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def call(self, task: Task[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if task.title(*args, **kwargs) == "write the rows":
            self._meanwhile()
        return super().call(task, *args, **kwargs)


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def protected(request: pytest.FixtureRequest, backed_up: BackedUpSystems) -> Protected:
    """A system whose users have all been renamed since its backup."""
    made = backed_up(request.param).protected
    with writer(made.edms) as execute:
        execute("UPDATE users_user SET first_name = 'renamed'")
    return made


@pytest.mark.long
def test_another_writer_waits_for_the_merge_while_readers_continue(protected: Protected) -> None:
    refused: list[str] = []
    seen: list[int] = []

    def meanwhile() -> None:
        with writer(protected.edms) as execute:
            # Readers go on and see the system as it was.
            seen.append(execute("SELECT count(*) FROM users_user WHERE first_name = 'renamed'")[0][0])
            try:
                execute("UPDATE users_user SET last_name = 'meanwhile'")
            except (psycopg.errors.LockNotAvailable, sqlite3.OperationalError) as error:
                refused.append(type(error).__name__)

    result = run_merge(protected.settings, Interrupted(meanwhile), snapshot="latest")

    assert result.done
    assert len(refused) == 1
    assert seen[0] > 0
    with writer(protected.edms) as execute:
        assert execute("SELECT count(*) FROM users_user WHERE first_name = 'renamed' OR last_name = 'meanwhile'") == [
            (0,)
        ]


def test_a_merge_fails_while_another_session_is_writing(protected: Protected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "_PATIENCE", "300ms")
    monkeypatch.setattr(sqlite, "_PATIENCE_MS", 300)
    before = picture(protected.edms)

    with writer(protected.edms, commit=False) as execute:
        execute("UPDATE users_user SET last_name = 'not yet committed'")
        with pytest.raises(TargetInUse, match="writing"):
            run_merge(protected.settings, snapshot="latest")

    assert differences(before, picture(protected.edms)) == []


@contextmanager
def writer(edms: ReferenceEdms, *, commit: bool = True) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """A connection of somebody else's, who waits for a lock only shortly.

    SQLite's locks are the process's, so here that has to be another process.
    """
    if edms.engine == "sqlite":
        with _another_process(edms.database_path) as ask:
            yield ask
            ask("COMMIT" if commit else "ROLLBACK")
        return
    with closing(psycopg.connect(edms.database_url)) as connection:
        connection.execute("SET lock_timeout = '300ms'")

        def execute(text: str) -> list[tuple[Any, ...]]:
            found = connection.execute(text.encode())
            return found.fetchall() if found.description else []

        yield execute
        connection.commit() if commit else connection.rollback()


_WRITER = """
import json, sqlite3, sys
lite = sqlite3.connect(sys.argv[1], timeout=0.3, isolation_level=None)
lite.execute("BEGIN")
for line in sys.stdin:
    try:
        print(json.dumps(lite.execute(json.loads(line)).fetchall()), flush=True)
    except sqlite3.OperationalError as error:
        print(json.dumps(str(error)), flush=True)
"""


@contextmanager
def _another_process(path: Path) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    command = [sys.executable, "-c", _WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout

        def ask(text: str) -> list[tuple[Any, ...]]:
            stdin.write(json.dumps(text) + "\n")
            stdin.flush()
            answer = json.loads(stdout.readline())
            if isinstance(answer, str):
                raise sqlite3.OperationalError(answer)
            return [tuple(row) for row in answer]

        yield ask
        stdin.close()
