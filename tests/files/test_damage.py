"""Damage is found and named: in the packs, in the index, and in the folder that was restored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.errors import DamagedRepository, NoSpace
from edms_tasks.files import check_files, restore_files, verify_files
from edms_tasks.files.index import PACK_BYTES, SCHEMA, PackPart
from edms_tasks.inventory.model import FileRoot
from edms_tasks.manifest import FileIndex, ObjectRef
from edms_tasks.repository import Repository
from tests.files.conftest import Backup

CONTENT = b"the content of a file"


@pytest.fixture
def restored(media: Path, repository: Repository, backup: Backup, tmp_path: Path) -> tuple[FileIndex, Path]:
    (media / "folder").mkdir()
    for name in ("a", "b", "folder/c", "zero"):
        (media / name).write_bytes(name.encode() * 50 if name != "zero" else b"")
    index, _ = backup()
    restore_files(index, repository, tmp_path / "out")
    return index, tmp_path / "out"


def _flip(folder: Path) -> None:
    content = bytearray((folder / "b").read_bytes())
    content[7] ^= 1
    (folder / "b").write_bytes(content)


def _swap(folder: Path) -> None:
    (folder / "a").rename(folder / "x")
    (folder / "b").rename(folder / "a")
    (folder / "x").rename(folder / "b")


def _link(folder: Path) -> None:
    (folder / "a").rename(folder.parent / "elsewhere")
    (folder / "a").symlink_to(folder.parent / "elsewhere")


def _file_for_folder(folder: Path) -> None:
    (folder / "folder" / "c").unlink()
    (folder / "folder").rmdir()
    (folder / "folder").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "missing", "altered", "unexpected"),
    [
        (_flip, (), ("b",), ()),
        (_swap, (), ("a", "b"), ()),
        (_link, (), ("a",), ()),
        (_file_for_folder, ("folder/c",), ("folder",), ()),
        (lambda folder: (folder / "zero").write_bytes(b"1"), (), ("zero",), ()),
        (lambda folder: (folder / "a").write_bytes(b""), (), ("a",), ()),
        (lambda folder: (folder / "folder" / "c").unlink(), ("folder/c",), (), ()),
        (lambda folder: (folder / "new").mkdir(), (), (), ("new",)),
        (lambda folder: (folder / "a").rename(folder / "A"), ("a",), (), ("A",)),
    ],
)
def test_every_damage_to_the_folder_is_named(
    restored: tuple[FileIndex, Path],
    repository: Repository,
    damage: Callable[[Path], object],
    missing: tuple[str, ...],
    altered: tuple[str, ...],
    unexpected: tuple[str, ...],
) -> None:
    index, folder = restored
    assert check_files(index, repository, folder).success
    damage(folder)
    check = check_files(index, repository, folder)
    assert not check.success
    assert (check.missing, check.altered, check.unexpected) == (missing, altered, unexpected)
    assert check.found_digest != check.expected_digest


def test_a_missing_folder_lacks_every_file(
    restored: tuple[FileIndex, Path], repository: Repository, tmp_path: Path
) -> None:
    check = check_files(restored[0], repository, tmp_path / "nowhere")
    assert not check.success
    assert check.missing_count == 6


@pytest.mark.parametrize("which", ["index", "packs"])
@pytest.mark.parametrize("how", ["flip", "truncate", "remove"])
def test_every_damage_to_an_object_is_named(
    restored: tuple[FileIndex, Path], repository: Repository, tmp_path: Path, which: str, how: str
) -> None:
    index, _ = restored
    ref: ObjectRef = getattr(index, which)[0]
    path = next((tmp_path / "backups").rglob(ref.sha256))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "remove":
        path.unlink()
    else:
        path.write_bytes(content if how == "flip" else content[:-1])

    problems = verify_files(index, repository)

    assert any(ref.sha256 in problem for problem in problems)
    if which == "packs":
        assert sum("its pack is damaged" in problem for problem in problems) == 3
    with pytest.raises(DamagedRepository, match=ref.sha256):
        restore_files(index, repository, tmp_path / "again")


class Entry(NamedTuple):
    """A row of the index."""

    path: bytes
    kind: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    mode: int
    uid: int
    gid: int
    sha256: str
    parts: tuple[PackPart, ...]


def entry(path: bytes, kind: str = "file", **changes: object) -> Entry:
    if kind == "dir":
        return Entry(path, "dir", 0, 0, 0, 0, 0o755, 0, 0, "", ())._replace(**changes)  # type: ignore[arg-type]
    parts = (PackPart("pack", 0, len(CONTENT)),)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return Entry(path, "file", len(CONTENT), 0, 0, 0, 0o644, 0, 0, sha256, parts)._replace(**changes)  # type: ignore[arg-type]


def digest_of_rows(rows: list[Entry]) -> str:
    """The digest as docs/format.md says it, one row after another."""
    total = 0
    for row in rows:
        if row.path:
            text = b"\0".join((row.path, row.kind.encode(), str(row.size).encode(), row.sha256.encode()))
            total += int(hashlib.md5(text, usedforsecurity=False).hexdigest(), 16)
    return f"{total % 2**128:032x}"


ROOT = entry(b"", "dir")
HOSTILE: dict[str, list[Entry]] = {
    "absolute path": [ROOT, entry(b"/etc/cron.d/x")],
    "parent path": [ROOT, entry(b"../x")],
    "parent path in the middle": [ROOT, entry(b"a", "dir"), entry(b"a/..", "dir"), entry(b"a/../../x")],
    "the folder itself": [ROOT, entry(b".")],
    "empty component": [ROOT, entry(b"a", "dir"), entry(b"a//b")],
    "zero byte": [ROOT, entry(b"a\0b")],
    "the same path twice": [ROOT, entry(b"a"), entry(b"a")],
    "a file as a folder": [ROOT, entry(b"a"), entry(b"a/b")],
    "no folder above": [ROOT, entry(b"a/b")],
    "out of order": [ROOT, entry(b"b"), entry(b"a")],
    "no root": [entry(b"a")],
    "a root that is a file": [entry(b"")],
    "a link": [ROOT, entry(b"a")._replace(kind="link")],
    "negative offset": [ROOT, entry(b"a", parts=(PackPart("pack", -1, len(CONTENT)),))],
    "beyond the pack": [ROOT, entry(b"a", size=PACK_BYTES, parts=(PackPart("pack", 1, PACK_BYTES),))],
    "longer than the pack": [ROOT, entry(b"a", size=50, parts=(PackPart("pack", 0, 50),))],
    "negative length": [ROOT, entry(b"a", parts=(PackPart("pack", 0, 50), PackPart("pack", 0, len(CONTENT) - 50)))],
    "parts that do not add up": [ROOT, entry(b"a", size=5)],
    "a pack that is not named": [ROOT, entry(b"a", parts=(PackPart("0" * 64, 0, len(CONTENT)),))],
    "another SHA-256": [ROOT, entry(b"a", sha256="0" * 64)],
    "no SHA-256": [ROOT, entry(b"a", sha256="../../x")],
    "permissions there are none of": [ROOT, entry(b"a", mode=0o100644)],
    "an owner there is none of": [ROOT, entry(b"a", uid=-1)],
    "an empty file with the SHA-256 of another": [ROOT, entry(b"a", size=0, parts=())],
    "a folder with content": [ROOT, entry(b"a", "dir", size=1)],
}


def hostile_index(repository: Repository, folder: Path, rows: list[Entry], content: bytes = CONTENT) -> FileIndex:
    pack = repository.put_bytes(pa.Codec("zstd").compress(content, asbytes=True))
    rows = [
        row._replace(parts=tuple(p._replace(object=pack.sha256) if p.object == "pack" else p for p in row.parts))
        for row in rows
    ]
    records = [row._asdict() | {"parts": [part._asdict() for part in row.parts]} for row in rows]
    pq.write_table(pa.Table.from_pylist(records, schema=SCHEMA), folder / "hostile.parquet")
    files = [row for row in rows if row.kind == "file"]
    return FileIndex(
        root=FileRoot(name="media", path="/srv/media"),
        files=len(files),
        bytes=sum(row.size for row in files),
        digest=digest_of_rows(rows),
        index=(repository.put_file(folder / "hostile.parquet"),),
        packs=(pack,),
    )


def test_the_harmless_form_of_a_hostile_index_is_accepted(repository: Repository, tmp_path: Path) -> None:
    index = hostile_index(repository, tmp_path, [ROOT, entry(b"a", "dir"), entry(b"a/b"), entry(b"c")])
    restore_files(index, repository, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b").read_bytes() == CONTENT


@pytest.mark.parametrize("trick", list(HOSTILE))
def test_a_hostile_index_is_refused_and_writes_nothing(repository: Repository, tmp_path: Path, trick: str) -> None:
    index = hostile_index(repository, tmp_path, HOSTILE[trick])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DamagedRepository):
        restore_files(index, repository, tmp_path / "out")
    assert [path for path in sorted(tmp_path.rglob("*")) if path not in before and path != tmp_path / "out"] == []
    assert verify_files(index, repository) != ()


def test_a_pack_that_unpacks_without_end_is_refused(repository: Repository, tmp_path: Path) -> None:
    index = hostile_index(repository, tmp_path, [ROOT, entry(b"a")], content=CONTENT + bytes(PACK_BYTES))
    with pytest.raises(DamagedRepository, match="unpacks to more"):
        restore_files(index, repository, tmp_path / "out")


def test_a_manifest_with_wrong_totals_is_refused(repository: Repository, tmp_path: Path) -> None:
    index = hostile_index(repository, tmp_path, [ROOT, entry(b"a")])
    for change in ({"files": 2}, {"bytes": 1}, {"digest": "0" * 32}):
        with pytest.raises(DamagedRepository, match="do not match"):
            restore_files(index.model_copy(update=change), repository, tmp_path / "out")


def test_a_link_created_in_the_destination_during_the_restore_is_not_followed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = hostile_index(repository, tmp_path, [ROOT, entry(b"a", "dir"), entry(b"a/b")])
    (tmp_path / "outside").mkdir()
    mkdir = os.mkdir

    def swapped(path: bytes, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        if path == b"a":
            (tmp_path / "out" / "a").rmdir()
            (tmp_path / "out" / "a").symlink_to(tmp_path / "outside")

    monkeypatch.setattr(os, "mkdir", swapped)
    with pytest.raises(Exception, match="cannot be written"):
        restore_files(index, repository, tmp_path / "out")
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_full_disk_is_reported_as_such(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = hostile_index(repository, tmp_path, [ROOT, entry(b"a")])

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NoSpace, match="Free some space"):
        restore_files(index, repository, tmp_path / "out")


def test_packs_known_to_be_intact_are_not_read(
    restored: tuple[FileIndex, Path], repository: Repository, tmp_path: Path
) -> None:
    index, _ = restored
    next((tmp_path / "backups").rglob(index.packs[0].sha256)).write_bytes(b"")

    assert verify_files(index, repository, known=frozenset({index.packs[0].sha256})) == ()
    assert verify_files(index, repository) != ()


def test_a_content_that_differs_from_the_index_is_named(repository: Repository, tmp_path: Path) -> None:
    rows = [ROOT, entry(b"a"), entry(b"b", sha256="0" * 64), entry(b"c", size=0, sha256="1" * 64, parts=())]

    problems = verify_files(hostile_index(repository, tmp_path, rows), repository)

    assert problems == tuple(
        f"files of media: {name}: its content does not have the SHA-256 in the index" for name in "bc"
    )
