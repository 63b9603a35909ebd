"""Places to prune: a local folder, which the kernel locks, and one that only has objects."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from edms_tasks.settings import RepositorySettings
from tests.retention.library import Library


@pytest.fixture(params=["local", "memory"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    if request.param == "local":
        yield Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")
        return
    name = secrets.token_hex(4)
    yield Library(RepositorySettings(url=f"memory://{name}/backups"), tmp_path / "work")
    MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.fixture
def local(tmp_path: Path) -> Library:
    return Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")
