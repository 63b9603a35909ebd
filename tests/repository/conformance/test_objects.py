"""Every place a repository can live in keeps objects whole, or says that they are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edms_tasks.errors import DamagedRepository, SettingsError
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.repository.samples import Store


def test_creating_twice_opens_the_same_repository(
    repository: Repository, repository_settings: RepositorySettings
) -> None:
    assert Repository.create(repository_settings).identity == repository.identity
    assert Repository.open(repository_settings).identity == repository.identity


def test_opening_where_there_is_none_is_refused(repository_settings: RepositorySettings, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir(exist_ok=True)
    settings = repository_settings.model_copy(update={"url": repository_settings.url + "/nowhere"})
    with pytest.raises(SettingsError, match="no repository"):
        Repository.open(settings)
    Repository.create(repository_settings)  # so that there is something to clean up


def test_a_folder_of_something_else_is_not_taken_over(store: Store, repository_settings: RepositorySettings) -> None:
    store.remove("config.json")
    store.write("thesis.txt", b"ten years of work")
    with pytest.raises(SettingsError, match=r"thesis\.txt"):
        Repository.create(repository_settings)


@pytest.mark.parametrize("size", [0, 1, 3 * 1024 * 1024 + 1])
def test_a_stored_object_is_read_back_unchanged(repository: Repository, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "in").write_bytes(content)

    ref = repository.put_file(tmp_path / "in")
    repository.fetch(ref, tmp_path / "out")

    assert ref == repository.put_bytes(content)
    assert ref.size == size
    assert repository.has(ref)
    assert repository.read(ref) == content
    assert (tmp_path / "out").read_bytes() == content


def test_the_same_bytes_are_stored_once(repository: Repository, store: Store) -> None:
    before = store.names()
    repository.put_bytes(b"once")
    repository.put_bytes(b"once")
    assert len(store.names() - before) == 1


@pytest.mark.parametrize("position", [0, 500, 999])
def test_a_flipped_byte_is_found_and_the_object_named(
    repository: Repository, store: Store, tmp_path: Path, position: int
) -> None:
    ref = repository.put_bytes(os.urandom(1000))
    store.flip(store.path_of(ref), position)

    with pytest.raises(DamagedRepository, match=ref.sha256):
        repository.read(ref)
    with pytest.raises(DamagedRepository, match=ref.sha256):
        repository.fetch(ref, tmp_path / "out")
    assert list(tmp_path.glob("out*")) == []


@pytest.mark.parametrize("change", [b"", b"short", b"x" * 5000])
def test_another_size_is_found_before_the_object_is_read(repository: Repository, store: Store, change: bytes) -> None:
    ref = repository.put_bytes(os.urandom(1000))
    store.write(store.path_of(ref), change)
    assert not repository.has(ref)
    with pytest.raises(DamagedRepository, match=ref.sha256):
        repository.read(ref)


def test_a_missing_object_is_found(repository: Repository, store: Store) -> None:
    ref = repository.put_bytes(b"gone")
    store.remove(store.path_of(ref))
    assert not repository.has(ref)
    with pytest.raises(DamagedRepository, match="missing"):
        repository.read(ref)


def test_putting_the_bytes_again_repairs_a_truncated_object(repository: Repository, store: Store) -> None:
    ref = repository.put_bytes(b"whole")
    store.write(store.path_of(ref), b"who")
    repository.put_bytes(b"whole")
    assert repository.read(ref) == b"whole"


def test_replacing_repairs_a_flipped_byte(repository: Repository, store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"whole")
    ref = repository.put_file(tmp_path / "in")
    store.flip(store.path_of(ref), 2)
    repository.replace(ref, tmp_path / "in")
    assert repository.read(ref) == b"whole"


def test_replacing_refuses_other_bytes(repository: Repository, tmp_path: Path) -> None:
    ref = repository.put_bytes(b"right")
    (tmp_path / "in").write_bytes(b"wrong")
    with pytest.raises(Exception, match="changed"):
        repository.replace(ref, tmp_path / "in")
    assert repository.read(ref) == b"right"


def test_a_write_that_breaks_off_leaves_no_half_object(repository: Repository, store: Store) -> None:
    before = store.names()

    def breaking() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repository._backend.write("objects/aa/" + "a" * 64, breaking())
    assert store.names() == before
