"""`edms-backup unlock` says whose lock it is, and removes it only when told to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edms_tasks.repository import Repository
from edms_tasks.repository.repository_lock import NAME
from edms_tasks.settings import RepositorySettings
from flows.cli.app import app
from tests.stores.memory_store import MemoryStore
from tests.stores.watched_stores import wrapping


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    with wrapping(lambda real: store):
        Repository.create(RepositorySettings(url="s3://bucket/backups"))
        yield store


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "edms-backup.toml"
    path.write_text('[repository]\nurl = "s3://bucket/backups"\n')
    return str(path)


def lock(store: MemoryStore) -> None:
    holder = {"token": "x", "pid": 4711, "host": "archive-2", "machine": "m", "purpose": "backup", "since": "02:00"}
    store.put(NAME, json.dumps(holder | {"renewed": time.time()}).encode())


def test_it_names_the_holder_and_needs_a_yes(store: MemoryStore, config: str) -> None:
    lock(store)
    asked = CliRunner().invoke(app, ["unlock", "--config", config])
    assert asked.exit_code == 2
    assert re.search(r"backup: process 4711 on archive-2, since 02:00, renewed \d+ seconds ago", asked.output)
    assert NAME in store.objects

    done = CliRunner().invoke(app, ["unlock", "--yes", "--json", "--config", config])
    assert done.exit_code == 0
    assert "4711 on archive-2" in json.loads(done.stdout)["unlocked"][0]
    assert NAME not in store.objects


def test_without_a_lock_there_is_nothing_to_do(store: MemoryStore, config: str) -> None:
    done = CliRunner().invoke(app, ["unlock", "--config", config])
    assert done.exit_code == 0
    assert "no lock to remove" in done.output


def test_a_lock_of_a_process_in_a_local_folder_cannot_be_removed(tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"
    config.write_text(f'[repository]\nurl = "{tmp_path / "backups"}"\n')
    repository = Repository.create(RepositorySettings(url=str(tmp_path / "backups")))
    with repository.lock("nightly"):
        refused = CliRunner().invoke(app, ["unlock", "--yes", "--config", str(config)])
        assert refused.exit_code == 3
        assert "nightly" in refused.output
    assert CliRunner().invoke(app, ["unlock", "--config", str(config)]).exit_code == 0
