"""A second copy of a repository has all that the first has, whatever happens on the way; it needs no key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import AnotherRepository, RepositoryUnreachable, SettingsError
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import Backend, open_backend
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.repository.mirror import Mirrored, mirror, require_copy_or_nothing
from edms_tasks.repository.records import NamedSnapshot
from edms_tasks.settings import RepositorySettings, Settings
from flows import keys
from tests.repository.conftest import encrypted_settings
from tests.repository.samples import manifest_of


@pytest.fixture(params=["plain", "encrypted"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> RepositorySettings:
    settings = encrypted_settings(tmp_path)
    if request.param == "plain":
        settings = RepositorySettings(url=settings.url)
        Repository.create(settings)
    else:
        make_encrypted(settings, "plant-1")
    return settings


def store(settings: RepositorySettings, content: bytes, day: int = 1, previous: str | None = None) -> str:
    repository = Repository.open(settings)
    with repository.lock("backup"):
        run = repository.begin()
        schema = repository.put_bytes(content)
        snapshot_id = repository.write_snapshot(manifest_of(schema, day=day, previous=previous))
        repository.finish(run)
    repository.log.append("backup", "success", version="1", snapshot=snapshot_id)
    return snapshot_id


def copied(settings: RepositorySettings, target: Backend) -> Mirrored:
    source = open_backend(settings)
    require_copy_or_nothing(source, target)
    plain = settings.write_key is None
    return mirror(source, target, named_by_content=plain, jobs=2, expect=lambda *_: None, progress=lambda *_: None)


def target_of(tmp_path: Path) -> tuple[Backend, RepositorySettings]:
    settings = RepositorySettings(url=str(tmp_path / "copy"))
    return open_backend(settings), settings


def there(settings: RepositorySettings) -> dict[str, bytes]:
    root = Path(settings.url)
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {name: data for name, data in files.items() if not name.startswith(("locks/", "tmp/", "pending/"))}


def test_the_copy_has_every_byte_and_opens_with_the_same_keys(place: RepositorySettings, tmp_path: Path) -> None:
    snapshot_id = store(place, b"first")
    target, at = target_of(tmp_path)

    made = copied(place, target)

    assert made.problems == []
    assert made.snapshots == [snapshot_id]
    assert there(at) == there(place)
    copy = Repository.open(place.model_copy(update={"url": at.url}))
    assert copy.read(copy.read_manifest(snapshot_id).native_schema.object) == b"first"


def test_a_second_copy_writes_what_is_new_and_keeps_what_the_source_lost(
    place: RepositorySettings, tmp_path: Path
) -> None:
    first = store(place, b"first")
    target, at = target_of(tmp_path)
    copied(place, target)
    (Path(place.url) / "snapshots" / f"{first}.json").unlink()
    second = store(place, b"second", day=2, previous=first)

    made = copied(place, target)

    assert made.snapshots == [second]
    assert {f"snapshots/{first}.json", f"snapshots/{second}.json"} <= set(there(at))
    assert copied(place, target).files == 0


class _Faulty(Backend):
    """A backend whose n-th write fails, before or after the bytes are there."""

    def __init__(self, inner: Backend, fail_at: int, *, torn: bool) -> None:
        self._inner, self._left, self._torn = inner, fail_at, torn
        self.display, self.local_folder = inner.display, inner.local_folder

    def __getattribute__(self, name: str) -> Any:
        own = ("_inner", "_left", "_torn", "write", "display", "local_folder")
        return object.__getattribute__(self, name) if name in own else getattr(self._inner, name)

    def write(self, name: str, blocks: Iterator[bytes]) -> None:  # type: ignore[override]
        self._left -= 1
        if self._left == 0:
            if self._torn:
                self._inner.write(name, [b"".join(blocks)[:-3]])
            raise RepositoryUnreachable("The target does not answer.")
        self._inner.write(name, blocks)


@pytest.mark.parametrize("torn", [False, True])
def test_a_copy_that_fails_at_any_write_holds_whole_snapshots_and_is_continued(
    place: RepositorySettings, tmp_path: Path, torn: bool
) -> None:
    first = store(place, b"first")
    second = store(place, os.urandom(3000), day=2, previous=first)
    writes = len(there(place))
    for number in range(1, writes + 1):
        (tmp_path / str(number)).mkdir()
        target, at = target_of(tmp_path / str(number))
        with pytest.raises(RepositoryUnreachable):
            copied(place, _Faulty(target, number, torn=torn))
        if target.size("config.json") is not None and number < writes:  # the last write is that of config.json
            whole = Repository.open(place.model_copy(update={"url": at.url}))
            for manifest in whole.survey().intact.values():
                whole.check(manifest.native_schema.object)
        assert copied(place, target).problems == []
        now = {name: data for name, data in there(at).items() if not name.startswith("replaced/")}
        assert now == there(place), number
    assert {first, second} <= {Path(name).stem for name in there(at)}


def test_a_damaged_object_is_not_passed_on_where_its_name_tells(tmp_path: Path) -> None:
    place = RepositorySettings(url=str(tmp_path / "backups"))
    Repository.create(place)
    store(place, b"first")
    (path,) = (path for path in (Path(place.url) / "objects").rglob("*") if path.is_file())
    path.write_bytes(b"xirst")
    target, at = target_of(tmp_path)

    made = copied(place, target)

    assert len(made.problems) == 1 and "damaged at the source" in made.problems[0]
    assert not [name for name in there(at) if name.startswith(("objects/", "snapshots/"))]


@pytest.mark.parametrize("copied_first", [True, False])
def test_a_snapshot_that_the_source_has_lost_is_said_and_the_rest_is_copied(
    place: RepositorySettings, tmp_path: Path, *, copied_first: bool
) -> None:
    target, _ = target_of(tmp_path)
    first = store(place, b"1", 1)
    if copied_first:
        assert copied(place, target).lost == []
    second = store(place, b"2", 2, first)
    (Path(place.url) / f"snapshots/{first}.json").unlink()
    (Path(place.url) / f"signatures/{first}.json").unlink(missing_ok=True)

    made = copied(place, target)

    assert made.snapshots == [second] and made.problems == []
    (said,) = made.lost
    assert first[:12] in said
    # Somebody who has looked into it gives it up.
    repository = Repository.open(place)
    repository.records.write("pruned", snapshots=[NamedSnapshot(id=first)], reason="lost")
    assert copied(place, target).lost == []


def test_a_signature_of_a_backup_that_was_killed_before_its_manifest_is_no_loss(
    place: RepositorySettings, tmp_path: Path
) -> None:
    target, _ = target_of(tmp_path)
    store(place, b"1")
    stray = Path(place.url) / "signatures" / f"{'0' * 64}.json"
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("{}")
    assert copied(place, target).lost == []


def test_a_lost_newest_snapshot_is_said_too(place: RepositorySettings, tmp_path: Path) -> None:
    target, _ = target_of(tmp_path)
    newest = store(place, b"1")
    Repository.open(place).write_head("ours", newest, 1)
    for folder in ("snapshots", "signatures", "log"):
        for path in (Path(place.url) / folder).glob("*"):
            path.unlink()
    (said,) = copied(place, target).lost
    assert "newest" in said


def test_the_copy_of_another_repository_and_a_strangers_folder_are_refused(
    place: RepositorySettings, tmp_path: Path
) -> None:
    store(place, b"first")
    target, at = target_of(tmp_path)
    Repository.create(at)
    with pytest.raises(AnotherRepository):
        copied(place, target)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_bytes(b"ten years")
    with pytest.raises(SettingsError, match="something else"):
        copied(place, open_backend(RepositorySettings(url=str(tmp_path / "thesis"))))


@pytest.mark.parametrize("where", ["", "/", "/sub", "/.."])
def test_a_copy_in_or_around_the_repository_is_refused(place: RepositorySettings, where: str) -> None:
    store(place, b"first")
    with pytest.raises(SettingsError, match="itself"):
        copied(place, open_backend(RepositorySettings(url=place.url + where)))


def test_a_source_without_its_keys_is_not_copied_silently(tmp_path: Path) -> None:
    place = encrypted_settings(tmp_path)
    make_encrypted(place, "plant-1")
    store(place, b"first")
    (Path(place.url) / "keys" / "recovery.json").unlink()
    target, _ = target_of(tmp_path)
    assert any("no keys" in problem for problem in copied(place, target).problems)


def test_after_everything_was_encrypted_anew_the_copy_is_too(tmp_path: Path) -> None:
    place = encrypted_settings(tmp_path)
    make_encrypted(place, "plant-1")
    snapshot_id = store(place, b"first")
    target, at = target_of(tmp_path)
    copied(place, target)
    keys.rotate_key(Settings(repository=place, workdir=tmp_path / "work"), reencrypt=True)

    made = copied(place, target)

    assert any("encrypted anew" in note for note in made.notes)
    now = {name: data for name, data in there(at).items() if not name.startswith("replaced/")}
    assert now == there(place)
    copy = Repository.open(place.model_copy(update={"url": at.url}))
    assert copy.read(copy.read_manifest(snapshot_id).native_schema.object) == b"first"


def test_entries_that_only_the_copy_has_are_set_aside_and_said(place: RepositorySettings, tmp_path: Path) -> None:
    store(place, b"first")
    target, at = target_of(tmp_path)
    copied(place, target)
    Repository.open(place.model_copy(update={"url": at.url, "copies": None})).log.append(
        "restore", "success", version="1"
    )
    store(place, b"second", day=2)

    made = copied(place, target)

    assert any("entries that the source's lacks" in note for note in made.notes)
    logs = {name: data for name, data in there(at).items() if name.startswith("log/")}
    assert logs == {name: data for name, data in there(place).items() if name.startswith("log/")}
    assert [name for name in there(at) if name.startswith("replaced/")]


def test_a_backup_that_ends_during_the_copy_is_in_its_log_only_with_its_snapshot(
    place: RepositorySettings, tmp_path: Path
) -> None:
    first = store(place, b"one")
    target, copy = target_of(tmp_path)
    meanwhile: list[str] = []

    def progress(*_: int) -> None:
        if not meanwhile:
            meanwhile.append("")
            meanwhile[0] = store(place, b"two", day=2, previous=first)

    made = mirror(
        open_backend(place),
        target,
        named_by_content=place.write_key is None,
        jobs=1,
        expect=lambda *_: None,
        progress=progress,
    )

    assert (made.snapshots, made.problems) == ([first], [])
    assert any("log ends before entry" in note and meanwhile[0][:12] in note for note in made.notes)
    own = Repository.open(place.model_copy(update={"url": copy.url, "copies": None}))
    logged = {entry.snapshot for entry in own.log.backwards() if entry.snapshot}
    assert logged == {first}
    again = copied(place, target)
    assert (again.snapshots, again.notes) == ([meanwhile[0]], [])
    assert there(copy) == there(place)
