"""The places every repository test runs on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import Store


@pytest.fixture(params=["local", "memory"])
def repository_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RepositorySettings]:
    if request.param == "local":
        yield RepositorySettings(url=str(tmp_path / "backups"))
        return
    name = secrets.token_hex(4)
    yield RepositorySettings(url=f"memory://{name}/backups")
    MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.fixture
def repository(repository_settings: RepositorySettings) -> Repository:
    return Repository.create(repository_settings)


@pytest.fixture
def store(repository: Repository, repository_settings: RepositorySettings) -> Store:
    """The same repository from outside, to look at and to damage."""
    return Store(repository_settings)
