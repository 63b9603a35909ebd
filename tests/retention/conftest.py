"""Places to prune: a local folder, which the kernel locks, and one that only has objects."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings
from tests.repository.conftest import encrypted_settings
from tests.retention.library import Library


@pytest.fixture(params=["local", "memory", "encrypted"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    if request.param == "local":
        yield Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")
        return
    if request.param == "encrypted":
        settings = encrypted_settings(tmp_path)
        make_encrypted(settings, "test")
        yield Library(settings, tmp_path / "work")
        return
    name = secrets.token_hex(4)
    yield Library(RepositorySettings(url=f"memory://{name}/backups"), tmp_path / "work")
    MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.fixture
def local(tmp_path: Path) -> Library:
    return Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")


@pytest.fixture
def signed(tmp_path: Path) -> Library:
    """An encrypted repository: its snapshots and records are signed."""
    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "test")
    return Library(settings, tmp_path / "work")
