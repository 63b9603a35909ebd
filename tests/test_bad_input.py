"""Whatever is wrong before the start has an error of its own, and nothing has been changed when it is raised."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest

from edms_tasks import errors
from edms_tasks.databases.postgresql.programs import installed
from tests.direct_access import execute, spoil
from tests.independent_comparison import differences, picture, picture_of_files
from tests.postgres_server import PostgresServer
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect

# What is refused before an engine matters is asked of the other one in `make test-long`.
ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.long))


@dataclass(frozen=True)
class BackedUp:
    """A live system that has changed since its one backup; what is refused must leave all of it as it is."""

    protected: Protected
    live: dict[str, object]
    repository: dict[str, tuple[str, int, str]]

    @property
    def edms(self) -> ReferenceEdms:
        return self.protected.edms

    def told_otherwise(self, folder: Path, *changes: tuple[str, str]) -> Protected:
        """The same EDMS and repository under settings in which pieces of text are replaced."""
        text = self.protected.config.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        config = folder / "edms-backup.toml"
        config.write_text(text, encoding="utf-8")
        return replace(self.protected, config=config)

    def assert_unchanged(self) -> None:
        assert differences(self.live, picture(self.edms)) == []
        assert _stored(self.protected.repository) == self.repository


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Callable[[Engine], BackedUp]:
    """One backed-up system per engine: no test here may change it, which is what they assert."""
    made: dict[Engine, BackedUp] = {}

    def get(engine: Engine) -> BackedUp:
        if engine not in made:
            folder = tmp_path_factory.mktemp(f"bad_input_{engine}")
            factory = ReferenceEdmsFactory(_edms_templates, folder / "installations", f"bad_input_{os.getpid()}")
            protected = protect(factory(engine), folder)
            protected.backup()
            spoil(protected.edms)
            made[engine] = BackedUp(protected, picture(protected.edms), _stored(protected.repository))
        return made[engine]

    return get


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What may pass is tried again; here it never passes, so nobody waits for it."""
    monkeypatch.setattr("flows.running.threads.RETRY_SECONDS", (0.0,))


@pytest.fixture(params=ENGINES)
def system(request: pytest.FixtureRequest, backed_up: Callable[[Engine], BackedUp]) -> Iterator[BackedUp]:
    """A backed-up system of each engine, unchanged after the test."""
    found = backed_up(request.param)
    yield found
    found.assert_unchanged()


@pytest.fixture
def on_sqlite(backed_up: Callable[[Engine], BackedUp]) -> Iterator[BackedUp]:
    """A backed-up SQLite system, unchanged after the test."""
    found = backed_up("sqlite")
    yield found
    found.assert_unchanged()


@pytest.fixture
def on_postgres(backed_up: Callable[[Engine], BackedUp]) -> Iterator[BackedUp]:
    """A backed-up PostgreSQL system, unchanged after the test."""
    found = backed_up("postgresql")
    yield found
    found.assert_unchanged()


class Mistake(NamedTuple):
    """A mistake in the settings, and what the error must speak of."""

    old: str
    new: str
    named: str


PYTHON = f'python = "{sys.executable}"'
MISTAKES = {
    "an interpreter that is not there": Mistake(PYTHON, 'python = "/nowhere/bin/python"', "/nowhere/bin/python"),
    "an interpreter that is none": Mistake(PYTHON, 'python = "/bin/false"', "exit code 1"),
    "settings that do not exist": Mistake("config.settings", "config.setings", "config.setings"),
    "settings that fail": Mistake('"sqlite:///', '"oracle:///', "REFERENCE_EDMS_DATABASE starts with"),
    "a project that is not there": Mistake(
        'project = "', 'project = "/nowhere', "The EDMS's project folder does not exist."
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=list(MISTAKES))
def test_an_edms_that_cannot_be_imported(mistake: Mistake, on_sqlite: BackedUp, tmp_path: Path) -> None:
    mistaken = on_sqlite.told_otherwise(tmp_path, (mistake.old, mistake.new))

    error = _refused(errors.EdmsNotImportable, mistaken.backup)
    also = _refused(errors.EdmsNotImportable, mistaken.restore)

    assert mistake.named in str(error)
    assert "EDMS_BACKUP__RESTORE__DATABASE" in also.fix, "the way out of a disaster must be shown"
    assert error.exit_code == 2 and error.fix


def test_an_interpreter_without_django(on_sqlite: BackedUp, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    # -S: without the site-packages, so without Django.
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)

    error = _refused(
        errors.EdmsNotImportable, on_sqlite.told_otherwise(tmp_path, (PYTHON, f'python = "{bare}"')).backup
    )

    assert "no Django" in error.what and str(bare) in error.where
    assert "[edms] python" in error.fix


def test_a_postgresql_server_that_does_not_answer(on_postgres: BackedUp, tmp_path: Path) -> None:
    port = on_postgres.edms.database_url.split(":")[3].split("/")[0]
    mistaken = on_postgres.told_otherwise(tmp_path, (f":{port}/", ":1/"))

    # By its id: a database elsewhere is another EDMS, to which `latest` gives nothing of this one.
    for command in (mistaken.backup, lambda: mistaken.restore(_only_snapshot(mistaken))):
        error = _refused(errors.DatabaseRefused, command)
        assert "127.0.0.1:1/" in error.where and "Connection refused" in error.why
        assert error.fix and error.exit_code == 3


def test_a_postgresql_server_that_refuses_the_login_and_no_password_is_shown(
    on_postgres: BackedUp, tmp_path: Path
) -> None:
    password = on_postgres.edms.database_url.split(":")[2].split("@")[0]
    mistaken = on_postgres.told_otherwise(tmp_path, (f":{password}@", ":another-secret@"))

    for command in (mistaken.backup, mistaken.restore):
        error = _refused(errors.DatabaseRefused, command)
        assert "password authentication failed" in error.why
        assert "another-secret" not in str(error)


def test_a_sqlite_file_that_is_not_there(on_sqlite: BackedUp, tmp_path: Path) -> None:
    mistaken = on_sqlite.told_otherwise(tmp_path, ("edms.sqlite3", "another.sqlite3"))

    error = _refused(errors.DatabaseRefused, mistaken.backup)

    assert "another.sqlite3" in error.where and error.fix
    assert not on_sqlite.edms.database_path.with_name("another.sqlite3").exists()


def test_a_sqlite_file_that_is_none(on_sqlite: BackedUp, tmp_path: Path) -> None:
    nonsense = on_sqlite.edms.database_path.with_name("nonsense.sqlite3")
    nonsense.write_bytes(b"this is no database, whatever its name says" * 100)
    mistaken = on_sqlite.told_otherwise(tmp_path, ("edms.sqlite3", "nonsense.sqlite3"))

    error = _refused(errors.DatabaseRefused, mistaken.backup)

    assert "nonsense.sqlite3" in error.where and "not a database" in error.why
    nonsense.unlink()


@pytest.fixture
def role_without_createdb(postgres_server: PostgresServer, on_postgres: BackedUp) -> Iterator[tuple[str, str]]:
    """A login that owns the live database and may not create others: (name, password)."""
    name, password = f"clerk_{os.getpid()}", "a password for the clerk"
    live = on_postgres.edms.database_name
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
    yield name, password
    with postgres_server.connect() as connection:
        for database in postgres_server.databases():
            if database.startswith(f"{live}_empty"):
                postgres_server.drop_database(database)
        connection.execute(f"DROP ROLE {name}".encode())


def test_a_role_that_may_not_create_databases_is_told_how_and_can_restore_into_an_empty_one(
    on_postgres: BackedUp,
    role_without_createdb: tuple[str, str],
    postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    name, password = role_without_createdb
    live, empty = on_postgres.edms.database_name, f"{on_postgres.edms.database_name}_empty"
    address = f"postgresql://{name}:{password.replace(' ', '%20')}@127.0.0.1:{postgres_server.port}/{live}"
    monkeypatch.setenv("EDMS_BACKUP__RESTORE__DATABASE", address)

    error = _refused(errors.MayNotCreateDatabases, on_postgres.protected.restore)
    with postgres_server.connect() as connection:
        connection.execute(f"CREATE DATABASE {empty} OWNER {name} TEMPLATE template0".encode())
    result = on_postgres.protected.restore(into=empty, into_files=tmp_path / "files")

    assert f'ALTER ROLE "{name}" CREATEDB' in error.fix and "--into" in error.fix
    assert password not in str(error)
    assert "\n".join(result.failures) == ""
    assert (result.success, result.promoted) == (True, False)
    with psycopg.connect(postgres_server.url(empty)) as session:
        row = session.execute("SELECT count(*) FROM documents_document WHERE title <> 'spoiled'").fetchone()
    assert row is not None and row[0] > 0


def test_into_a_database_that_holds_something(on_postgres: BackedUp, tmp_path: Path) -> None:
    error = _refused(
        errors.TargetExists,
        lambda: on_postgres.protected.restore(into=on_postgres.edms.database_name, into_files=tmp_path / "files"),
    )

    assert "not empty" in error.what


def test_into_a_file_that_is_there(on_sqlite: BackedUp, tmp_path: Path) -> None:
    taken = tmp_path / "taken.sqlite3"
    taken.write_bytes(b"something")

    _refused(errors.TargetExists, lambda: on_sqlite.protected.restore(into=str(taken), into_files=tmp_path / "files"))

    assert taken.read_bytes() == b"something"


@pytest.mark.parametrize("engine", ENGINES)
def test_unapplied_migrations(engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    protected = protect(edms_factory(engine), tmp_path)
    execute(protected.edms, "DELETE FROM django_migrations WHERE app = 'placeholders' AND name LIKE '0002%'")
    before = picture(protected.edms)

    error = _refused(errors.UnappliedMigrations, protected.backup)

    assert "placeholders.0002_default_placeholders" in error.why
    assert "migrate" in error.fix and 'unapplied_migrations = "record"' in error.fix
    assert differences(before, picture(protected.edms)) == []
    assert not protected.repository.exists()


def test_an_unknown_snapshot(system: BackedUp) -> None:
    known = next(path.stem for path in (system.protected.repository / "snapshots").iterdir())
    almost = known[:11] + ("0" if known[11] != "0" else "1")

    error = _refused(errors.UnknownSnapshot, lambda: system.protected.restore(almost))
    also = _refused(errors.UnknownSnapshot, lambda: system.protected.verify(almost))

    assert f"Did you mean `{known[:12]}`?" in error.fix
    assert also.exit_code == 2


def test_no_repository(system: BackedUp, tmp_path: Path) -> None:
    elsewhere = system.told_otherwise(
        tmp_path, (f'url = "{system.protected.repository}"', f'url = "{tmp_path / "nothing here"}"')
    )

    error = _refused(errors.SettingsError, elsewhere.restore)

    assert "no repository" in error.what and "[repository] url" in error.fix
    assert not (tmp_path / "nothing here").exists()


def test_no_space_for_the_restored_files(system: BackedUp, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_full_disk(monkeypatch)

    error = _refused(errors.NoSpace, system.protected.restore)

    assert "1 are free" in error.why and error.fix


def test_no_space_for_the_copy_a_backup_reads_from(on_sqlite: BackedUp, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_full_disk(monkeypatch)

    error = _refused(errors.NoSpace, on_sqlite.protected.backup)

    assert "1 are free" in error.why and error.fix


def test_no_space_for_the_rows_of_a_backup(on_postgres: BackedUp, monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend_full_disk(monkeypatch)

    error = _refused(errors.NoSpace, on_postgres.protected.backup)

    assert "the rows of the database" in error.what and "1 are free" in error.why and error.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_fills_up_during_a_backup(on_sqlite: BackedUp, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        elsewhere = on_sqlite.told_otherwise(
            tmp_path, (f'url = "{on_sqlite.protected.repository}"', f'url = "{small / "repository"}"')
        )
        error = _refused(errors.NoSpace, lambda: elsewhere.backup(create_repository=True))
        left = [path for path in (small / "repository").rglob("*") if path.parent.name in ("tmp", "snapshots")]
    finally:
        subprocess.run(["umount", str(small)], check=True)

    assert "full" in error.what
    assert left == []


def test_an_unsupported_engine(on_sqlite: BackedUp, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(on_sqlite.edms.project, project, ignore=shutil.ignore_patterns("__pycache__", "var"))
    backend = project / "some_engine"
    backend.mkdir()
    (backend / "__init__.py").touch()
    # Django's own MySQL backend needs a driver; what matters is the word by which an engine calls itself.
    (backend / "base.py").write_text(
        "from django.db.backends.sqlite3 import base\n"
        "class DatabaseWrapper(base.DatabaseWrapper):\n"
        "    vendor = 'mysql'\n"
    )
    with (project / "config" / "settings.py").open("a") as settings:
        settings.write("\nDATABASES['default']['ENGINE'] = 'some_engine'\n")
    mistaken = on_sqlite.told_otherwise(tmp_path, (str(on_sqlite.edms.project), str(project)))

    for command in (mistaken.backup, mistaken.restore):
        error = _refused(errors.UnsupportedEngine, command)
        assert "mysql" in error.what and "PostgreSQL and SQLite" in error.fix
        assert error.exit_code == 2


def test_a_snapshot_of_another_engine(backed_up: Callable[[Engine], BackedUp], tmp_path: Path) -> None:
    sqlite, postgres = backed_up("sqlite"), backed_up("postgresql")
    converted = sqlite.told_otherwise(
        tmp_path,
        (f'url = "{sqlite.protected.repository}"', f'url = "{postgres.protected.repository}"'),
    )

    error = _refused(errors.CommandError, lambda: converted.restore(_only_snapshot(postgres.protected)))

    assert "postgresql" in error.what and "sqlite" in error.what
    sqlite.assert_unchanged()
    postgres.assert_unchanged()


def test_a_postgresql_database_that_somebody_is_connected_to(on_postgres: BackedUp) -> None:
    with psycopg.connect(on_postgres.edms.database_url, application_name="the web server"):
        error = _refused(errors.TargetInUse, on_postgres.protected.restore)

    assert "the web server" in error.why and "disconnect" in error.fix


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN"])
def test_a_sqlite_database_in_the_middle_of_a_transaction(begin: str, on_sqlite: BackedUp) -> None:
    with closing(sqlite3.connect(on_sqlite.edms.database_path, isolation_level=None)) as somebody:
        somebody.execute(begin)
        somebody.execute("SELECT count(*) FROM users_user").fetchone()
        error = _refused(errors.TargetInUse, on_sqlite.protected.restore)
        somebody.execute("ROLLBACK")

    assert "locked" in error.why and "Stop the EDMS" in error.fix


@pytest.mark.parametrize(("missing", "verb"), [("pg_dump", "backup"), ("pg_restore", "restore")])
def test_a_missing_program_of_postgresql(
    missing: str, verb: str, on_postgres: BackedUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if missing == "pg_restore":
        (tmp_path / "pg_dump").symlink_to(installed("pg_dump")[0].path)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        # A machine without them cannot be had: the tests' own server has them.
        patch.setattr("edms_tasks.databases.postgresql.programs._KNOWN_PLACES", ())
        error = _refused(errors.ToolMissing, getattr(on_postgres.protected, verb))

    assert missing in error.what and error.where == "PATH and the usual folders" and "Install" in error.fix
    assert error.exit_code == 2


def test_each_of_these_errors_has_a_code_of_its_own() -> None:
    kinds = (
        errors.EdmsNotImportable,
        errors.DatabaseRefused,
        errors.MayNotCreateDatabases,
        errors.UnappliedMigrations,
        errors.UnknownSnapshot,
        errors.NoSpace,
        errors.UnsupportedEngine,
        errors.TargetInUse,
        errors.TargetExists,
        errors.ToolMissing,
        errors.SettingsError,
        errors.CommandError,
    )

    assert len({kind.code for kind in kinds}) == len(kinds)
    assert {kind.exit_code for kind in kinds} == {2, 3}


def _refused(kind: type[errors.EdmsBackupError], command: Callable[[], object]) -> errors.EdmsBackupError:
    """The error of exactly this class that the command ends with."""
    with pytest.raises(errors.EdmsBackupError) as caught:
        command()
    assert type(caught.value) is kind, f"{type(caught.value).__name__}: {caught.value}"
    assert caught.value.what
    return caught.value


def _pretend_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("edms_tasks.scratch.disk_space.shutil.disk_usage", lambda path: usage._replace(free=1))


def _stored(repository: Path) -> dict[str, tuple[str, int, str]]:
    """Everything in the repository; the lock's file may be there or not, as long as nobody holds it."""
    return {name: entry for name, entry in picture_of_files(repository).items() if not name.startswith("locks")}


def _only_snapshot(protected: Protected) -> str:
    (manifest,) = (protected.repository / "snapshots").glob("*.json")
    return manifest.stem
