"""A system with one backup that nothing in these tests may change, and the errors that are expected instead."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edms_tasks import errors
from tests.independent_comparison import differences, picture, picture_of_files
from tests.reference_system import ReferenceEdms
from tests.running import Protected
from tests.warm_python import edms_python

# Refusals that do not depend on the engine are tested on the other one by `make test-long`.
ENGINES = ("sqlite", pytest.param("postgresql", marks=pytest.mark.long))
PYTHON = "the setting [edms] python"
"""Stands for that setting's line, which depends on the session."""


@dataclass(frozen=True)
class BackedUp:
    """A live system that has changed since its one backup. A refused command must leave all of it unchanged."""

    protected: Protected
    live: dict[str, object]
    repository: dict[str, tuple[str, int, str]]

    @property
    def edms(self) -> ReferenceEdms:
        return self.protected.edms

    def with_settings(self, folder: Path, *changes: tuple[str, str]) -> Protected:
        """The same EDMS and repository under settings in which pieces of text are replaced."""
        text = self.protected.config.read_text(encoding="utf-8")
        for piece, new in changes:
            old = f'python = "{edms_python()}"' if piece == PYTHON else piece
            assert old in text
            text = text.replace(old, new)
        config = folder / "edms-backup.toml"
        config.write_text(text, encoding="utf-8")
        return replace(self.protected, config=config)

    def assert_unchanged(self) -> None:
        assert differences(self.live, picture(self.edms)) == []
        assert stored(self.protected.repository) == self.repository


def refused(kind: type[errors.EdmsBackupError], command: Callable[[], object]) -> errors.EdmsBackupError:
    """The error of exactly this class that the command ends with."""
    with pytest.raises(errors.EdmsBackupError) as caught:
        command()
    assert type(caught.value) is kind, f"{type(caught.value).__name__}: {caught.value}"
    assert caught.value.what
    return caught.value


def pretend_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("edms_tasks.scratch.disk_space.shutil.disk_usage", lambda path: usage._replace(free=1))


def stored(repository: Path) -> dict[str, tuple[str, int, str]]:
    """Everything in the repository but its log and reports, what a restore proved, and the file of a lock that nobody holds."""
    return {
        name: entry
        for name, entry in picture_of_files(repository).items()
        if not name.startswith(("locks", "log", "proved", "reports"))
    }


def only_snapshot(protected: Protected) -> str:
    (manifest,) = (protected.repository / "snapshots").glob("*.json")
    return manifest.stem
