"""A backup and a restore on a worker in a process of its own, and clusters that cannot be used. The long proofs: test_cluster_of_two.py."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import SettingsError, WorkersUnreachable
from edms_tasks.repository import Repository
from edms_tasks.run_settings import RunSettings
from edms_tasks.settings import RepositorySettings, Settings
from flows.live.usable_workers import worker_findings
from flows.running.on_dask import on_dask
from flows.running.run import Run
from flows.running.sent_values import NotSent, Sender
from flows.running.threads import ThreadRunner
from flows.running.worker import TOKEN, differences, portray, versions_here
from tests.independent_comparison import picture
from tests.reference_system import EdmsTemplates, LazyPostgres
from tests.running import run_backup, run_restore
from tests.workers.system_on_dask import SystemOnDask, system_on_dask

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]


@pytest.fixture(scope="module")
def system(
    tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates, _lazy_postgres: LazyPostgres
) -> Iterator[SystemOnDask]:
    folder = tmp_path_factory.mktemp("worker")
    url = str(folder / "repository")
    with system_on_dask(_edms_templates, folder, "on_a_worker", documents=5, url=url, options={}, workers=1) as made:
        yield made
    _lazy_postgres.server.drop_databases("on_a_worker")


@pytest.mark.long
def test_a_restore_on_workers_of_a_backup_on_workers_is_proved(system: SystemOnDask) -> None:
    before = picture(system.edms)
    made = run_backup(system.settings, create_repository=True)
    tables = len(made.manifest.tables)
    assert made.verified
    # Extracted, serialized, packaged and read back; large tables in more than one part.
    assert sum(system.tasks_done().values()) >= 4 * tables

    restored = run_restore(system.settings, snapshot=made.snapshot_id)
    assert restored.verdict == "proved"
    # Loaded, read back and compared.
    assert sum(system.tasks_done().values()) >= 7 * tables
    assert picture(system.edms) == before
    assert not list(system.settings.scratch.glob("*-*"))  # nothing is left there


def test_a_scheduler_that_does_not_answer_is_an_error_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.running.on_dask._SECONDS_TO_CONNECT", 1)
    settings = _settings(tmp_path, RunSettings(on="dask", scheduler="tcp://127.0.0.1:9"))
    began = time.monotonic()
    with pytest.raises(WorkersUnreachable, match=r"tcp://127\.0\.0\.1:9"), on_dask(settings, ThreadRunner()):
        pass
    assert time.monotonic() - began < 60


def test_a_class_that_is_no_cluster_is_named(tmp_path: Path) -> None:
    settings = _settings(tmp_path, RunSettings(on="dask", cluster="dask.distributed:NoSuchCluster"))
    with pytest.raises(SettingsError, match="NoSuchCluster"), on_dask(settings, ThreadRunner()):
        pass


@pytest.mark.long
def test_the_doctor_says_that_workers_cannot_be_used(
    system: SystemOnDask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable = list(worker_findings(Run(system.settings), "postgresql"))
    for_files = list(worker_findings(Run(system.settings), "sqlite"))
    monkeypatch.setattr("flows.running.on_dask._SECONDS_TO_CONNECT", 1)
    nowhere = _settings(tmp_path, RunSettings(on="dask", scheduler="tcp://127.0.0.1:9"))
    unreachable = list(worker_findings(Run(nowhere), "postgresql"))

    assert usable == []
    assert [(one.code, one.severity) for one in for_files + unreachable] == [("workers-unusable", "error")] * 2
    assert "sqlite, which has no server" in for_files[0].message
    assert "tcp://127.0.0.1:9" in unreachable[0].message


def test_secrets_and_other_repositories_stay_with_the_coordinator(tmp_path: Path) -> None:
    settings = _settings(tmp_path, RunSettings())
    sender = Sender(settings)
    own = Repository.create(settings.repository)
    another = Repository.create(RepositorySettings(url=str(tmp_path / "another")))
    address = DatabaseAddress.from_url("postgresql://backup:hunter2@db/edms")

    assert own.place.encode() in sender.pickled(own)
    with pytest.raises(NotSent, match="not the repository of the settings"):
        sender.pickled(another)
    for secret in (settings, SecretStr("hunter2"), [Run(settings)]):
        with pytest.raises(NotSent, match="only this machine may know"):
            sender.pickled(secret)
    sent = sender.pickled(address)
    assert b"hunter2" not in sent
    assert sender.unpickled(sent) == dataclasses.replace(address, password=SecretStr(""))


def test_a_worker_is_like_the_coordinator_or_it_is_said_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text('[repository]\nurl = "s3://bucket/edms"\n')
    monkeypatch.setenv("EDMS_BACKUP_CONFIG", str(config))
    (tmp_path / TOKEN).write_text("the run's")
    like = portray(str(tmp_path))

    def said(portrait: object = like, repository: str = "s3://bucket/edms", token: str = "the run's") -> str:
        return " ".join(differences(portrait, versions_here(), repository, token))  # type: ignore[arg-type]

    assert said() == ""
    assert (tmp_path / like.answer).read_text() == like.name
    assert "another one of the same path" in said(token="another run's")
    assert "the coordinator's s3://other/edms" in said(repository="s3://other/edms")
    older = dataclasses.replace(like, versions={**like.versions, "Python": "3.11.0"})
    assert "It has Python 3.11.0, the coordinator" in said(older)
    lacking = dataclasses.replace(like, versions={})
    assert "It has edms-backup not at all" in said(lacking)
    assert "does not see the scratch folder" in said(portray(str(tmp_path / "not-there")))
    config.unlink()
    assert "Its settings cannot be read" in said(portray(str(tmp_path)))


def _settings(folder: Path, run: RunSettings) -> Settings:
    return Settings(repository=RepositorySettings(url=str(folder / "repository")), workdir=folder / "work", run=run)
