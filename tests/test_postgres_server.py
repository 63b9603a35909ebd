"""The tests' own PostgreSQL server: it starts on what a machine has, keeps to itself, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.memory import folder_in_memory
from tests.postgres_programs import BIN_DIR_VARIABLE, find_bin_dir, wheel_bin_dirs
from tests.postgres_server import SUPERUSER, PostgresServer, PostgresServerError


def test_the_server_answers_in_utf8_and_is_named_by_its_url(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url()) as connection:
        row = connection.execute("SELECT current_user, current_setting('server_encoding'), '📄'").fetchone()

    assert row == (SUPERUSER, "UTF8", "📄")


def test_a_wrong_password_is_refused(postgres_server: PostgresServer) -> None:
    url = postgres_server.url().replace(postgres_server.password, "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_a_database_can_be_copied_and_dropped_while_someone_is_connected(postgres_server: PostgresServer) -> None:
    postgres_server.create_database("copy_source")
    postgres_server.psql("copy_source", "CREATE TABLE note (id int); INSERT INTO note VALUES (1), (2);")
    copy = postgres_server.create_database("copy_target", template="copy_source")

    # `closing` and not the connection's own context, which would commit on a connection that is gone.
    with closing(psycopg.connect(copy)) as reader:
        counted = reader.execute("SELECT count(*) FROM note").fetchone()
        postgres_server.drop_database("copy_target")
    postgres_server.drop_database("copy_source")

    assert counted == (2,)
    assert not {"copy_source", "copy_target"} & set(postgres_server.databases())


def test_a_failing_script_raises_with_psqls_message(postgres_server: PostgresServer) -> None:
    with pytest.raises(PostgresServerError, match="division by zero"):
        postgres_server.psql("postgres", "SELECT 1 / 0;")


def test_pg_dump_in_the_path_is_of_the_servers_version(postgres_server: PostgresServer) -> None:
    found = shutil.which("pg_dump")

    assert found is not None
    assert Path(found).parent == postgres_server.bin_dir


def test_an_empty_database_is_given_and_its_staging_databases_go_with_it(
    postgres_database: str, postgres_server: PostgresServer
) -> None:
    with psycopg.connect(postgres_database) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()

    assert tables == (0,)
    assert postgres_database.rpartition("/")[2] in postgres_server.databases()


def test_a_named_folder_without_the_programs_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BIN_DIR_VARIABLE, str(tmp_path))

    with pytest.raises(PostgresServerError, match="lacks one of initdb"):
        find_bin_dir()


def test_stopping_removes_the_folder_and_frees_the_port() -> None:
    with PostgresServer() as server:
        url, folder = server.url(), server.socket_dir
        assert folder.is_dir()

    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=5)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_the_server_ends_when_the_process_that_started_it_is_killed() -> None:
    script = f"""
import sys
sys.path.insert(0, {str(_root())!r})
from tests.postgres_server import PostgresServer
server = PostgresServer().__enter__()
print(server.url(), server.socket_dir, flush=True)
input()
"""
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    url, folder = owner.stdout.readline().split()
    psycopg.connect(url).close()

    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()

    stopped = _stops_answering(url)
    # Nobody is left who could remove it.
    shutil.rmtree(folder, ignore_errors=True)
    assert stopped


def test_folders_in_memory_of_processes_that_were_killed_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned, used = tmp_path / f"edms-pg-{ended.pid}-x", tmp_path / f"edms-pg-{os.getppid()}-x"
    for folder in (abandoned, used):
        folder.mkdir()

    new = folder_in_memory("edms-pg", tmp_path)

    if new is None:
        pytest.skip("this machine has little memory")
    assert {*tmp_path.iterdir()} == {used, new}


@pytest.mark.long
@pytest.mark.parametrize("bin_dir", wheel_bin_dirs(), ids=lambda folder: folder.parent.name)
def test_a_server_of_the_wheel_dumps_and_restores(bin_dir: Path, tmp_path: Path) -> None:
    dump = tmp_path / "note.dump"

    with PostgresServer(bin_dir) as server:
        source, target = server.create_database("source"), server.create_database("target")
        server.psql("source", "CREATE TABLE note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'ü 📄');")
        subprocess.run([server.bin_dir / "pg_dump", "-Fc", "-f", dump, source], check=True)
        subprocess.run([server.bin_dir / "pg_restore", "--exit-on-error", "-d", target, dump], check=True)
        restored = server.psql("target", "SELECT * FROM note;")

    assert restored == "1|ü 📄\n"


@pytest.mark.long
@pytest.mark.skipif(not wheel_bin_dirs(), reason="the wheel that carries a PostgreSQL server is not installed")
def test_programs_in_a_folder_that_only_their_owner_may_enter_are_used(tmp_path: Path) -> None:
    installation = wheel_bin_dirs()[0].parent
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    copy = private / installation.parent.name / installation.name
    shutil.copytree(installation, copy)
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, private / libraries.name)

    with PostgresServer(copy / "bin") as server:
        answer = server.psql("postgres", "SELECT 'yes';")

    assert answer == "yes\n"


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


def _stops_answering(url: str, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            psycopg.connect(url, connect_timeout=5).close()
        except psycopg.OperationalError:
            return True
        time.sleep(0.1)
    return False
