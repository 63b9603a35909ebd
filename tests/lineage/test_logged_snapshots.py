"""Manifests and heads that are set back together are noticed by the log, also on a machine that never saw the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import UndeterminedSnapshot
from edms_tasks.lineage.logged_snapshots import later_than
from edms_tasks.lineage.snapshot_names import choose
from edms_tasks.repository import Repository
from edms_tasks.settings import EdmsSettings, RepositorySettings, Settings
from flows.audit_trail import read_audit_trail
from flows.status import read_status
from tests.lineage.conftest import this_edms
from tests.retention.library import NOON, Library


class SetBack:
    """A repository of two snapshots whose newest one, with its head, is gone: the log alone knows of it."""

    def __init__(self, folder: Path) -> None:
        library = Library(RepositorySettings(url=str(folder / "backups")), folder / "work")
        self.first = self._add(library, 0)
        heads = {path: path.read_bytes() for path in (folder / "backups" / "heads").iterdir()}
        self.lost = self._add(library, 1)
        (folder / "backups" / "snapshots" / f"{self.lost}.json").unlink()
        for path, data in heads.items():
            path.write_bytes(data)
        self.library = library
        self.settings = Settings(
            repository=library.settings, workdir=folder / "elsewhere", edms=EdmsSettings(id="ours")
        )

    def _add(self, library: Library, day: int) -> str:
        made = library.add(day)
        library.repository.log.append("backup", "success", version="1", edms="ours", snapshot=made)
        return made

    @property
    def repository(self) -> Repository:
        return Repository.open(self.library.settings)


@pytest.fixture
def set_back(tmp_path: Path) -> SetBack:
    return SetBack(tmp_path)


def test_latest_is_not_an_older_snapshot(set_back: SetBack) -> None:
    with pytest.raises(UndeterminedSnapshot, match=f"{set_back.lost[:12]}, is missing"):
        choose(set_back.repository, "latest", this_edms("ours"))
    assert choose(set_back.repository, set_back.first[:12], this_edms("ours")).snapshot_id == set_back.first


def test_status_and_trail_say_it(set_back: SetBack) -> None:
    assert any(set_back.lost[:12] in one for one in read_status(set_back.settings, now=NOON).problems)
    assert any(set_back.lost[:12] in one for one in read_audit_trail(set_back.settings).problems)


def test_the_next_backup_settles_which_is_the_latest(set_back: SetBack) -> None:
    made = set_back._add(set_back.library, 2)
    assert choose(set_back.repository, "latest", this_edms("ours")).snapshot_id == made
    assert any(set_back.lost[:12] in one for one in read_audit_trail(set_back.settings).problems)


@pytest.mark.parametrize("event", ["drill", "verify", "hold", "restore"])
def test_what_is_done_with_the_older_one_hides_nothing(set_back: SetBack, event: str) -> None:
    set_back.repository.log.append(event, "success", version="1", edms="ours", snapshot=set_back.first)
    with pytest.raises(UndeterminedSnapshot, match=f"{set_back.lost[:12]}, is missing"):
        choose(set_back.repository, "latest", this_edms("ours"))
    assert any(set_back.lost[:12] in one for one in read_status(set_back.settings, now=NOON).problems)


def test_a_backup_that_ended_since_the_manifests_were_read_is_not_missed(tmp_path: Path) -> None:
    library = Library(RepositorySettings(url=str(tmp_path / "backups")), tmp_path / "work")
    first = library.add(0)
    library.repository.log.append("backup", "success", version="1", edms="ours", snapshot=first)
    before = Repository.open(library.settings).survey()
    second = library.add(1)
    library.repository.log.append("backup", "success", version="1", edms="ours", snapshot=second)
    assert later_than(Repository.open(library.settings), before, "ours") is None


def test_a_pruned_one_or_one_of_another_edms_is_not_missed(set_back: SetBack) -> None:
    library = set_back.library
    library.repository.log.append("backup", "success", version="1", edms="theirs", snapshot="1" * 64)
    with pytest.raises(UndeterminedSnapshot, match=set_back.lost[:12]):
        choose(set_back.repository, "latest", this_edms("ours"))
    made = set_back._add(library, 2)
    kept = set_back._add(library, 3)
    library.prune(last=1)
    assert made not in library.there()
    assert choose(set_back.repository, "latest", this_edms("ours")).snapshot_id == kept
    assert not any(made[:12] in one for one in read_status(set_back.settings, now=NOON).problems)
