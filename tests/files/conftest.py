"""A root to back up, a repository to back it up to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edms_tasks.files import index_files
from edms_tasks.files.exclusions import NOTHING, LeaveOut
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings

Backup = Callable[..., tuple[FileIndex, dict[str, Finding]]]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.create(RepositorySettings(url=str(tmp_path / "backups")))


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


@pytest.fixture
def backup(media: Path, repository: Repository, tmp_path: Path) -> Backup:
    """Back up `media`; gives the index and the findings by code."""

    def run(
        *, previous: FileIndex | None = None, leave_out: LeaveOut = NOTHING
    ) -> tuple[FileIndex, dict[str, Finding]]:
        root = FileRoot(name="media", path=str(media))
        index, findings = index_files(
            root, repository, leave_out=leave_out, previous=previous, scratch=tmp_path / "scratch"
        )
        assert list((tmp_path / "scratch").iterdir()) == []
        return index, {finding.code: finding for finding in findings}

    return run


def listing(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """What a folder holds, looked at without any of the code under test: kind, content, permissions, time."""
    found: dict[bytes, tuple[object, ...]] = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        content = None if path.is_dir() else path.read_bytes()
        found[os.fsencode(path.relative_to(folder))] = (content, oct(status.st_mode), status.st_mtime_ns)
    return found


def let_settle() -> None:
    """Wait until files written just now are old enough to be trusted unchanged."""
    time.sleep(0.15)


@pytest.fixture
def objects_count_as_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects in a store that were written just now are not read again by the next backup, as older ones are not."""
    monkeypatch.setattr("edms_tasks.files.store_source._YOUNG_NS", -60_000_000_000)
