"""A pooler that hands sessions around is refused before anything is set in them; one that keeps them is as good as the server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.postgresql import pooler_detection
from edms_tasks.databases.postgresql.pooler_detection import require_own_session
from edms_tasks.errors import DatabaseRefused

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooler_detection, "_keep_their_sessions", set())


# -- without a pooler -----------------------------------------------------------------------------------------------


class Pool:
    """A pooler with some sessions of a server, and connections that only know how to ask who serves them."""

    def __init__(self, *, keeps: bool, idle: list[int]) -> None:
        self.keeps, self.idle = keeps, idle

    def connect(self) -> Any:
        return PooledConnection(self)


class PooledConnection:
    def __init__(self, pool: Pool) -> None:
        self._pool, self._mine, self._held = pool, pool.idle.pop() if pool.keeps else 0, False
        self.info = type("Info", (), {"backend_pid": -1})

    def execute(self, _: bytes) -> Any:
        pid = self._mine or self._pool.idle[-1]
        if not self._mine and self._held:
            pid = self._mine = self._pool.idle.pop()
        return type("Cursor", (), {"fetchone": lambda _: (pid,)})()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._held = True
        yield
        self._held = False
        if not self._pool.keeps:
            self._pool.idle.append(self._mine)
            self._mine = 0

    def __enter__(self) -> PooledConnection:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("sessions", [[7], [7, 8], [7, 8, 9]])
def test_shared_sessions_are_detected(sessions: list[int]) -> None:
    pool = Pool(keeps=False, idle=sessions)

    with pytest.raises(DatabaseRefused) as refused:
        require_own_session(pool.connect(), DatabaseAddress("postgresql", "edms"), pool.connect)

    assert "[edms] database_url" in refused.value.fix


def test_own_sessions_are_accepted() -> None:
    pool = Pool(keeps=True, idle=[7, 8, 9])

    require_own_session(pool.connect(), DatabaseAddress("postgresql", "edms"), pool.connect)


# -- with PgBouncer -------------------------------------------------------------------------------------------------


@contextmanager
def pgbouncer(database: str, mode: str) -> Iterator[DatabaseAddress]:
    assert PGBOUNCER is not None
    address = DatabaseAddress.from_url(database)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="edms-backup-pgbouncer-"))
    (folder / "users.txt").write_text(f'"{address.user}" "{address.password.get_secret_value()}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={address.host} port={address.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"auth_type = plain\nauth_file = {folder}/users.txt\npool_mode = {mode}\nunix_socket_dir =\n"
        "ignore_startup_parameters = extra_float_digits, options\n"
    )
    folder.chmod(0o755)  # whom it runs as reads it: it does not run as root
    with subprocess.Popen(
        [PGBOUNCER, str(folder / "pgbouncer.ini")],
        user="nobody" if os.geteuid() == 0 else None,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
    ) as process:
        try:
            _wait_for(port, process, folder)
            yield replace(address, host="127.0.0.1", port=str(port))
        finally:
            process.terminate()
            shutil.rmtree(folder)


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    given_up = time.monotonic() + 300
    while time.monotonic() < given_up and process.poll() is None:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError((folder / "log").read_text())


needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_pgbouncer_in_transaction_mode_is_refused_and_its_sessions_are_unchanged(
    mode: str, postgres_database: str
) -> None:
    with (
        pgbouncer(postgres_database, mode) as address,
        psycopg.connect(address.conninfo(), autocommit=True) as edms,
    ):
        before = edms.execute("SELECT name, setting FROM pg_settings ORDER BY 1").fetchall()

        with pytest.raises(DatabaseRefused) as refused:
            open_database(address).check()

        assert edms.execute("SELECT name, setting FROM pg_settings ORDER BY 1").fetchall() == before
    assert "connection pooler in transaction mode" in refused.value.what
    assert "[edms] database_url" in refused.value.fix


@needs_pgbouncer
def test_pgbouncer_in_session_mode_is_used(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 5)")
    (tmp_path / "scratch").mkdir()
    with (
        pgbouncer(postgres_database, "session") as address,
        open_database(address).view(tmp_path / "scratch", 2) as view,
    ):
        (table,) = view.tables()
        assert view.measure(table).rows == 5
