"""A backup that reads a standby: the production server does not notice it, and all workers read one state of the standby."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from edms_tasks.settings import Settings
from tests.postgres_server import PostgresServer
from tests.reference_system import EdmsTemplates, LazyPostgres
from tests.running import run_backup
from tests.workers.system_on_dask import content, system_on_dask

pytestmark = pytest.mark.long


@contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A hot standby with everything that the primary has now."""
    standby = PostgresServer(primary.bin_dir)
    standby.password = primary.password
    standby._folder = Path(tempfile.mkdtemp(prefix="edms-pg-", dir="/tmp"))
    try:
        standby._folder.chmod(0o755)
        standby._give_away(standby._folder)
        address = primary.url().removesuffix("/postgres") + "/?application_name=standby"
        copied = primary._run(
            [
                str(primary.bin_dir / "pg_basebackup"),
                "-d",
                address,
                "-D",
                str(standby._data),
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
            ]
        )
        assert copied.returncode == 0, copied.stderr
        standby._start()
        yield standby
    finally:
        standby.stop()


def reading(settings: Settings, url: str) -> Settings:
    """The settings with another address of the EDMS's database."""
    return settings.model_copy(update={"edms": settings.edms.model_copy(update={"database_url": SecretStr(url)})})


def test_workers_read_a_standby_under_one_snapshot(
    tmp_path: Path, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> None:
    with system_on_dask(
        _edms_templates, tmp_path, "of_a_standby", documents=5, url=str(tmp_path / "repository"), options={}, workers=0
    ) as system:
        expected = content(run_backup(system.on_threads, create_repository=True).manifest)
        with standby_of(_lazy_postgres.server) as standby:
            url = standby.url(system.edms.database_name)
            system.cluster.start_worker(system.config, {"EDMS_BACKUP__EDMS__DATABASE_URL": url})
            system.cluster.wait_for(1)
            made = run_backup(reading(system.settings, url))
            assert sum(system.tasks_done().values()) > len(made.manifest.tables)
    _lazy_postgres.server.drop_databases("of_a_standby")
    assert made.verified
    assert content(made.manifest) == expected
