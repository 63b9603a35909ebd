"""Fixtures that several tests share: a PostgreSQL server, empty databases, populated reference EDMS installations."""

from __future__ import annotations

import functools
import gc
import os
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import typer.main
import typer.testing

import expectations  # noqa: F401 - before any test imports Great Expectations itself, which then loads less
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.settings import Settings
from tests.backed_up import BackedUpSystems
from tests.memory import folder_in_memory
from tests.migrated_once import migrated_once
from tests.postgres_server import PostgresServer
from tests.prefect_server import PrefectHomes
from tests.reference_system import EdmsTemplates, LazyPostgres, ReferenceEdmsFactory
from tests.restored_system import RecoveredSystems
from tests.stores.s3_places import new_bucket
from tests.stores.sftp_server import SftpServer
from tests.stores.swift_server import S3Account, SwiftServer
from tests.suite_size import SuiteSize
from tests.warm_python import warm_python

# The same examples in every run: what changed is the code. `EDMS_BACKUP_EXPLORE=1` tries new ones.
hypothesis.settings.register_profile("suite", derandomize="EDMS_BACKUP_EXPLORE" not in os.environ, deadline=None)
hypothesis.settings.load_profile("suite")


# By default Python looks through all objects for unused cycles so often that it is a twentieth of the suite's time.
gc.set_threshold(50_000, 20, 20)
# Typer makes all the commands anew for each call of the command line, which was another twentieth.
typer.testing._get_command = functools.cache(typer.main.get_command)

_in_memory = pytest.StashKey[Path]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have the tests' folders in memory if there is plenty, unless `--basetemp` says where; and measure what the suite takes."""
    config.pluginmanager.register(SuiteSize(config))
    if config.option.basetemp is None and "PYTEST_XDIST_WORKER" not in os.environ:
        folder = folder_in_memory("edms-tests")
        if folder is not None:
            config.stash[_in_memory] = folder
            config.option.basetemp = str(folder / "run")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Take no memory after the run. What a failed one leaves can be looked at until the next."""
    gc.unfreeze()  # DuckDB's library would say that it leaks
    folder = session.config.stash.get(_in_memory, None)
    if folder is not None and exitstatus == pytest.ExitCode.OK:
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_finish() -> None:
    """Have later searches for unused cycles pass over what was made until here: modules and tests, which stay."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first, then those with many: what comes last runs alone while the other processes have nothing left to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: 0 if item.path in slow else 1 / tests[item.path])


@pytest.fixture(scope="session")
def s3_account() -> Iterator[S3Account]:
    """A running S3 server of our own, and who may do everything there."""
    server = SwiftServer()
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def s3_bucket(s3_account: S3Account) -> str:
    """A bucket for everybody who uses a folder of their own in it."""
    return new_bucket(s3_account)


@pytest.fixture(scope="session")
def sftp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """A running OpenSSH server of our own, for SFTP alone."""
    server = SftpServer(tmp_path_factory.mktemp("sftp"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_server(_lazy_postgres: LazyPostgres) -> PostgresServer:
    """A running PostgreSQL server of our own, with its programs first in the PATH."""
    return _lazy_postgres.server


@pytest.fixture
def postgres_database(postgres_server: PostgresServer, _postgres_name: str) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database.

    After the test it is dropped, and with it every database whose name starts with its name, such as a staging one.
    """
    yield postgres_server.create_database(_postgres_name)
    postgres_server.drop_databases(_postgres_name)


@pytest.fixture
def edms_factory(
    tmp_path: Path, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres, _postgres_name: str
) -> Iterator[ReferenceEdmsFactory]:
    """Make populated reference EDMS installations: `edms_factory("postgresql", documents=20, seed=1)`."""
    yield ReferenceEdmsFactory(_edms_templates, tmp_path / "installations", _postgres_name)
    if _lazy_postgres.started:
        _lazy_postgres.server.drop_databases(_postgres_name)


@pytest.fixture(scope="session")
def recovered_systems(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> RecoveredSystems:
    """Systems that were lost and restored: `recovered_systems("sqlite").restored`."""
    return RecoveredSystems(_edms_templates, tmp_path_factory.mktemp("recovered"))


@pytest.fixture(scope="session")
def backed_up(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> BackedUpSystems:
    """`backed_up("sqlite").protected`: a system as it was after its backup, for one test to do with as it likes."""
    return BackedUpSystems(_edms_templates, tmp_path_factory.mktemp("backed_up"), _lazy_postgres)


@pytest.fixture(scope="module")
def edms_asked_once() -> Iterator[None]:
    """For modules in which the EDMS's code and database schema stay as they are: asking it each time would be half of their time."""
    answers: dict[str, ProbeReport] = {}

    def probe(settings: Settings) -> ProbeReport:
        # Its variables too, which the text of settings hides: they may name another database.
        variables = {name: value.get_secret_value() for name, value in settings.edms.env.items()}
        key = f"{settings!r} {variables}"
        if key not in answers:
            answer = run_probe(settings)
            if answer.database_error:  # of a test that broke it
                return answer
            answers[key] = answer
        return answers[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.running.run.run_probe", probe)
        yield


@pytest.fixture(scope="module")
def edms_migrated_once() -> Iterator[None]:
    """For modules that are about what comes after the migrations of one of our own EDMSs, in conversions of old backups or to SQLite."""
    with migrated_once():
        yield


@pytest.fixture(scope="session", autouse=True)
def _quiet_libraries(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Nothing a test starts may call home, or read or write the settings of the person who runs it.
    home = tmp_path_factory.mktemp("prefect")
    os.environ.update(
        {
            "DO_NOT_TRACK": "1",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_HOME": str(home),
            "GX_ANALYTICS_ENABLED": "false",
        }
    )
    for name in [*os.environ]:
        if name.startswith(("EDMS_BACKUP__", "PREFECT_API_", "REFERENCE_EDMS_")) or name == "PREFECT_PROFILE":
            del os.environ[name]


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Repeat at once: hardly anything that fails here passes by itself, and a failing test would wait five seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.running.threads.RETRY_SECONDS", (0.0,))
        patch.setattr("edms_tasks.encryption.repository_secret.SECONDS_BETWEEN", 0.0)
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm_python(tmp_path_factory: pytest.TempPathFactory, _quiet_libraries: None) -> Iterator[None]:
    with warm_python(tmp_path_factory.mktemp("python")):
        yield


@pytest.fixture(scope="session")
def _lazy_postgres() -> Iterator[LazyPostgres]:
    path = os.environ.get("PATH", "")
    postgres = LazyPostgres()
    yield postgres
    postgres.stop()
    os.environ["PATH"] = path


@pytest.fixture(scope="session")
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # With xdist, each process has a folder of its own in that of the session.
    session = tmp_path_factory.getbasetemp()
    shared = (session.parent if "PYTEST_XDIST_WORKER" in os.environ else session) / "shared_templates"
    shared.mkdir(exist_ok=True)
    return shared


@pytest.fixture(scope="session")
def _edms_templates(
    tmp_path_factory: pytest.TempPathFactory, _lazy_postgres: LazyPostgres, _shared_folder: Path
) -> EdmsTemplates:
    return EdmsTemplates(tmp_path_factory.mktemp("edms_templates"), _lazy_postgres, _shared_folder)


@pytest.fixture(scope="session")
def prefect_homes(_shared_folder: Path) -> PrefectHomes:
    """`prefect_homes(folder)`: a new home of Prefect, whose database has its tables."""
    return PrefectHomes(_shared_folder)


@pytest.fixture
def _postgres_name(request: pytest.FixtureRequest) -> str:
    # Short, since PostgreSQL cuts names at 63 bytes and a staging database's name is made from this one; it ends in
    # random characters, so that no name is the beginning of another test's.
    readable = re.sub(r"[^a-z0-9]+", "_", request.node.name.lower()).strip("_")[:20]
    return f"{readable}_{secrets.token_hex(3)}"
