"""A snapshot from a package: the ones before it were never in this repository, so they are not missed; those that were here still are."""

from __future__ import annotations

from pathlib import Path

import pytest

from edms_tasks.errors import PruneRefused
from edms_tasks.lineage.snapshot_history import history_of
from edms_tasks.repository import Repository
from edms_tasks.repository.package_file import write_package
from edms_tasks.settings import RepositorySettings, Settings
from flows.packages import import_package
from flows.requests import ImportRequest
from flows.running.run import Run
from tests.lineage.conftest import this_edms
from tests.retention.library import Library


@pytest.fixture
def made(tmp_path: Path) -> tuple[Library, list[str]]:
    source = Library(RepositorySettings(url=str(tmp_path / "source")), tmp_path / "work-of-source")
    return source, [source.add(day, f"content {day}") for day in range(5)]


def brought(source: Library, snapshot: str, into: Library, folder: Path) -> None:
    repository, path = source.repository, folder / f"{snapshot[:12]}.edms-package"
    manifest = repository.read_manifest(snapshot)
    write_package(repository.backend, snapshot, manifest, repository.stored_name, path, lambda *_: None)
    import_package.fn(Run(Settings(repository=into.settings, workdir=into.workdir)), ImportRequest(file=str(path)))


def test_nothing_is_missed_before_an_imported_snapshot(
    library: Library, made: tuple[Library, list[str]], tmp_path: Path
) -> None:
    source, ids = made
    brought(source, ids[3], library, tmp_path)
    library = Library(library.settings, library.workdir)
    library.require_whole()
    chain = history_of(library.repository, this_edms("ours")).chain
    assert (chain.missing, chain.expected, chain.order) == ((), 1, (ids[3],))

    brought(source, ids[1], library, tmp_path)  # an older one, and then the one between
    brought(source, ids[2], library, tmp_path)
    own = library.add(9)  # a backup that goes on from there
    library = Library(library.settings, library.workdir)
    library.require_whole()
    chain = history_of(library.repository, this_edms("ours")).chain
    assert (chain.order, chain.expected) == ((ids[1], ids[2], ids[3], own), 4)
    assert library.repository.read_manifest(own).number == 5

    assert set(library.prune(last=2).removed) == {ids[1], ids[2]}
    library.require_whole()
    assert history_of(library.repository, this_edms("ours")).chain.missing == ()


def test_what_is_lost_after_an_imported_one_is_missed(
    library: Library, made: tuple[Library, list[str]], tmp_path: Path
) -> None:
    source, ids = made
    brought(source, ids[2], library, tmp_path)
    library = Library(library.settings, library.workdir)
    lost, _ = library.add(9), library.add(10)
    library.store.remove(library.store.path_of_snapshot(lost))
    assert "snapshot-missing" in library.codes()
    with pytest.raises(PruneRefused, match="missing"):
        library.prune(last=1)


def test_an_import_does_not_hide_that_its_predecessor_was_lost_here(
    local: Library, made: tuple[Library, list[str]], tmp_path: Path
) -> None:
    source, ids = made
    for name in ids[:2]:
        brought(source, name, local, tmp_path)
    Repository.open(local.settings).log.append("backup", "success", version="1", snapshot=ids[1])
    local.store.remove(local.store.path_of_snapshot(ids[1]))
    brought(source, ids[2], local, tmp_path)
    assert "snapshot-missing" in Library(local.settings, local.workdir).codes()
