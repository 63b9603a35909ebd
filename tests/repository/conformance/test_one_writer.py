"""Every place admits one writer, and is clean after the run that follows a killed one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from edms_tasks.errors import RepositoryLocked, TerminalError
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import Store, manifest_of


def test_a_second_run_is_told_who_holds_the_lock(
    repository: Repository, repository_settings: RepositorySettings
) -> None:
    other = Repository.open(repository_settings)
    with repository.lock("nightly backup"), pytest.raises(RepositoryLocked, match="nightly backup"), other.lock("mine"):
        pass


def test_the_lock_is_free_after_an_error(repository: Repository) -> None:
    with pytest.raises(ValueError, match="boom"), repository.lock("backup"):
        raise ValueError("boom")
    with repository.lock("backup"):
        pass


def test_leftovers_of_a_killed_run_are_swept_by_the_next_successful_one(repository: Repository, store: Store) -> None:
    repository.begin()  # a run that never finishes
    orphan = repository.put_bytes(b"of the killed run")
    reused = repository.put_bytes(b"stored again by the retry")

    with repository.lock("backup"):
        run = repository.begin()
        assert repository.put_bytes(b"stored again by the retry") == reused
        snapshot_id = repository.write_snapshot(manifest_of(reused))
        swept = repository.finish(run)

    if repository.local_folder is None:
        # A lock can expire there, so the sweep marks first and removes a grace period later.
        assert (swept.objects, swept.marked) == (0, 1)
        with repository.lock("backup"):
            assert repository.sweep(timedelta(0)).objects == 1
    else:
        assert swept.objects == 1
    assert not repository.has(orphan)
    signed = {"keys/recovery.json", f"signatures/{snapshot_id}.json"} if repository.is_encrypted else set()
    assert store.names() == {
        "config.json",
        repository.stored_name(reused),
        f"snapshots/{snapshot_id}.json",
        *signed,
    }


def test_nothing_is_swept_while_a_manifest_is_damaged(repository: Repository, store: Store) -> None:
    needed = repository.put_bytes(b"needed by a snapshot nobody can read now")
    snapshot_id = repository.write_snapshot(manifest_of(needed))
    store.flip(store.path_of_snapshot(snapshot_id), 5)
    repository.begin()
    with repository.lock("backup"):
        swept = repository.finish(repository.begin())
    assert snapshot_id in swept.skipped
    assert repository.has(needed)


def test_nothing_is_swept_while_a_manifest_is_missing(repository: Repository, store: Store) -> None:
    """It may be put back from a copy, and then needs its objects."""
    needed = repository.put_bytes(b"needed by a snapshot that somebody moved away")
    first = repository.write_snapshot(manifest_of(needed))
    later = manifest_of(repository.put_bytes(b"of a later one"), previous=first)
    moved = store.read(store.path_of_snapshot(first))
    with repository.lock("backup"):
        repository.write_snapshot(later)
        store.remove(store.path_of_snapshot(first))
        repository.begin()
        swept = repository.finish(repository.begin())
    assert first in swept.skipped
    assert repository.has(needed)

    store.write(store.path_of_snapshot(first), moved)
    with repository.lock("backup"):
        assert repository.sweep().skipped == ""


def test_sweeping_without_the_lock_is_refused(repository: Repository) -> None:
    with pytest.raises(TerminalError, match="locked"):
        repository.sweep()
