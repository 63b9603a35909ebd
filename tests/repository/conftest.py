"""The places every repository test runs on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from edms_tasks.repository import Repository
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import Store
from tests.stores.s3_places import s3_settings


def encrypted_settings(folder: Path) -> RepositorySettings:
    """Settings for an encrypted repository that does not exist yet, with its keys beside it."""
    return RepositorySettings(
        url=str(folder / "backups"),
        write_key=folder / "write-key",
        identity=folder / "recovery-key",
        copies=folder / "copies",
    )


@pytest.fixture
def place(tmp_path: Path) -> RepositorySettings:
    """The settings of a new, encrypted repository."""
    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "plant-1")
    return settings


@pytest.fixture(params=["local", "memory", "encrypted", "s3", "sftp"])
def repository_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RepositorySettings]:
    if request.param == "s3":
        yield s3_settings(request.getfixturevalue("s3_account"), request.getfixturevalue("s3_bucket"), tmp_path.name)
        return
    if request.param == "sftp":
        yield request.getfixturevalue("sftp_server").settings(tmp_path / "backups")
        return
    if request.param == "local":
        yield RepositorySettings(url=str(tmp_path / "backups"))
        return
    if request.param == "encrypted":
        settings = encrypted_settings(tmp_path)
        make_encrypted(settings, "test")
        yield settings
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
