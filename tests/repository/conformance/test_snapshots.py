"""Every place lists snapshots in order, answers to their names, and shows the damaged ones."""

from __future__ import annotations

import pytest

from edms_tasks.errors import DamagedRepository, UnknownSnapshot
from edms_tasks.lineage.owner import KnownEdms
from edms_tasks.lineage.snapshot_names import choose
from edms_tasks.repository import Repository
from tests.repository.samples import Store, manifest_of


def write_days(repository: Repository, *days: int, tag: str | None = None, after: str | None = None) -> list[str]:
    """Snapshots as releases without identities made them, each naming the one before it."""
    schema = repository.put_bytes(b"schema")
    written: list[str] = []
    for day in days:
        after = repository.write_snapshot(manifest_of(schema, day=day, tag=tag, previous=after))
        written.append(after)
    return written


def resolve(repository: Repository, name: str) -> str:
    return choose(repository, name, KnownEdms(None)).snapshot_id


def test_snapshots_are_listed_in_the_order_of_their_making(repository: Repository) -> None:
    first, second, third = write_days(repository, 3, 1, 2)
    assert repository.snapshots() == (first, second, third)
    assert resolve(repository, "latest") == third


def test_a_prefix_or_a_tag_names_a_snapshot(repository: Repository) -> None:
    (plain,) = write_days(repository, 1)
    _, newest = write_days(repository, 2, 3, tag="before-upgrade", after=plain)
    assert resolve(repository, plain) == plain
    assert resolve(repository, plain[:8]) == plain
    assert resolve(repository, "before-upgrade") == newest


def test_an_unknown_name_gets_a_suggestion(repository: Repository) -> None:
    write_days(repository, 1, tag="before-upgrade")
    with pytest.raises(UnknownSnapshot, match="Did you mean `before-upgrade`"):
        resolve(repository, "befor-upgrade")
    with pytest.raises(UnknownSnapshot):
        resolve(repository, "")
    with pytest.raises(UnknownSnapshot):
        resolve(repository, "../config")


def test_an_empty_repository_has_no_latest(repository: Repository) -> None:
    with pytest.raises(UnknownSnapshot, match="no snapshot yet"):
        resolve(repository, "latest")


def test_every_flipped_byte_of_a_manifest_is_found(repository: Repository, store: Store) -> None:
    (snapshot_id,) = write_days(repository, 1)
    path = store.path_of_snapshot(snapshot_id)
    step = 37 if repository.local_folder else 173  # each costs a server some requests
    for position in range(0, len(store.read(path)), step):
        store.flip(path, position)
        with pytest.raises(DamagedRepository, match=snapshot_id):
            repository.read_snapshot(snapshot_id)
        store.flip(path, position)
    repository.read_snapshot(snapshot_id)


def test_a_damaged_manifest_hides_no_other_and_is_shown(repository: Repository, store: Store) -> None:
    first, second = write_days(repository, 1, 2)
    store.flip(store.path_of_snapshot(second), 10)
    assert repository.snapshots() == (first,)
    assert repository.damaged_snapshots() == (second,)
    with pytest.raises(DamagedRepository, match=second):
        resolve(repository, second[:10])


def test_latest_is_refused_while_the_latest_may_be_the_damaged_one(repository: Repository, store: Store) -> None:
    first, second = write_days(repository, 1, 2)
    store.flip(store.path_of_snapshot(second), 10)
    with pytest.raises(DamagedRepository, match=first[:12]):
        resolve(repository, "latest")


def test_a_damaged_snapshot_with_a_successor_is_not_the_latest(repository: Repository, store: Store) -> None:
    _, second, third = write_days(repository, 1, 2, 3)
    store.flip(store.path_of_snapshot(second), 10)
    assert resolve(repository, "latest") == third
