"""The locks stand at the target, tell who holds them, and end with their holder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import Database, DatabaseAddress, open_database
from edms_tasks.errors import LockLost, TargetLocked
from edms_tasks.locking.file_locks import file_lock


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """An empty database."""
    if request.param == "sqlite":
        (tmp_path / "db.sqlite3").touch()
        return open_database(DatabaseAddress.from_url(f"sqlite:///{tmp_path}/db.sqlite3"))
    return open_database(DatabaseAddress.from_url(request.getfixturevalue("postgres_database")))


def test_a_second_run_on_a_target_is_told_who_uses_it(database: Database) -> None:
    name = database.address.name
    with database.lock(name, "work", shared=False, purpose="restore"):
        with pytest.raises(TargetLocked) as refused, database.lock(name, "work", shared=False, purpose="rollback"):
            pass
        assert str(os.getpid()) in refused.value.why and "restore" in refused.value.what
        assert database.locked_by(name, "work") is not None
    assert database.locked_by(name, "work") is None
    with database.lock(name, "work", shared=False, purpose="rollback"):
        pass


def test_backups_share_the_lock_and_a_swap_waits_for_the_last_one(database: Database) -> None:
    name, told = database.address.name, []
    with ExitStack() as backups:
        for _ in range(2):
            backups.enter_context(database.lock(name, "still", shared=True, purpose="backup"))

        def wait(locked: TargetLocked) -> None:
            told.append(locked.what)
            backups.close()

        with database.lock(name, "still", shared=False, purpose="restore", wait=wait) as held:
            held.require_held()
            with pytest.raises(TargetLocked), database.lock(name, "still", shared=True, purpose="backup"):
                pass
    assert len(told) == 1 and "backup" in told[0]


def test_a_lock_that_is_given_back_is_free_at_once(database: Database) -> None:
    name = database.address.name
    for _ in range(40):
        refused: list[TargetLocked] = []
        with ExitStack() as first:
            first.enter_context(database.lock(name, "work", shared=False, purpose="restore"))

            def give_back(
                locked: TargetLocked, first: ExitStack = first, refused: list[TargetLocked] = refused
            ) -> None:
                refused.append(locked)
                first.close()

            with database.lock(name, "work", shared=False, purpose="rollback", wait=give_back):
                assert len(refused) == 1


def test_a_lock_leaves_no_file_behind(tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"
    database.touch()
    with file_lock(tmp_path / "db.lock", "it", shared=False, purpose="restore", like=database):
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == [database]


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from edms_tasks.locking.file_locks import file_lock\n"
        f"with file_lock(Path({str(tmp_path / 'a.lock')!r}), 'it', shared=False, purpose='restore', like=Path('/nowhere')):\n"
        "    print('held', flush=True); time.sleep(600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(TargetLocked),
        file_lock(tmp_path / "a.lock", "it", shared=False, purpose="restore", like=tmp_path),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with file_lock(tmp_path / "a.lock", "it", shared=False, purpose="restore", like=tmp_path):
        pass


def test_a_lock_whose_file_or_connection_is_gone_is_known_to_be_lost(database: Database) -> None:
    name = database.address.name
    with database.lock(name, "work", shared=False, purpose="restore") as held:
        held.require_held()
        if database.address.engine == "sqlite":
            Path(f"{name}.edms-restore-lock").unlink()
        else:
            with psycopg.connect(database.address.renamed("postgres").url(), autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
        with pytest.raises(LockLost):
            held.require_held()


def test_a_link_to_the_database_is_the_same_target(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "db.sqlite3").touch()
    (tmp_path / "db.sqlite3").symlink_to(tmp_path / "disk" / "db.sqlite3")
    linked = open_database(DatabaseAddress.from_url(f"sqlite:///{tmp_path}/db.sqlite3"))
    real = open_database(DatabaseAddress.from_url(f"sqlite:///{tmp_path}/disk/db.sqlite3"))
    with linked.lock(linked.address.name, "work", shared=False, purpose="restore"):
        assert real.locked_by(real.address.name, "work") is not None
