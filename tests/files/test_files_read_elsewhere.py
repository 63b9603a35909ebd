"""Files that others read, in parts: the index is that of one machine, and nobody's other folder of the same path gets into it."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from edms_tasks.files import changed_files, index_files, verify_files
from edms_tasks.files.changed_files import PartOfFiles, ReadPart, read_part
from edms_tasks.files.file_sources import FolderSource
from edms_tasks.files.index import PACK_BYTES
from edms_tasks.files.index_fetch import open_index
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings
from tests.files.conftest import let_settle


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_files, "_FILES_OF_A_PART", 20)


@pytest.fixture
def filled(media: Path) -> Path:
    """A hundred files in ten folders, five contents twice, and one of several packs."""
    rng = random.Random(1)
    for number in range(100):
        path = media / f"{number % 10}" / f"{number:03d}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(rng.randbytes(1_000 + 7 * number))
    for number in range(5):
        shutil.copyfile(media / f"{number}" / f"{number:03d}.bin", media / f"twice-{number}.bin")
    (media / "large.bin").write_bytes(rng.randbytes(PACK_BYTES + 5))
    let_settle()
    return media


class Others:
    """Read what they are given from a folder of their own."""

    def __init__(self, folder: Path, repository: Repository, scratch: Path) -> None:
        self._folder, self._repository, self._scratch = folder, repository, scratch
        self.parts: list[ReadPart] = []

    def __call__(self, parts: Sequence[PartOfFiles]) -> list[ReadPart]:
        opening = FolderSource(str(self._folder)).open
        self.parts = []
        for part in parts:
            into = self._scratch / f"part-{part.number}-{len(list(self._scratch.iterdir()))}"
            self.parts.append(read_part(part, opening, self._repository, into, jobs=2))
        return self.parts

    @property
    def left(self) -> int:
        return sum(len(part.left) for part in self.parts)

    @property
    def read(self) -> int:
        return sum(part.files for part in self.parts)


def others(folder: Path, repository: Repository, tmp_path: Path) -> Others:
    scratch = tmp_path / "others"
    scratch.mkdir(exist_ok=True)
    return Others(folder, repository, scratch)


def index(
    media: Path,
    repository: Repository,
    tmp_path: Path,
    elsewhere: Others | None = None,
    previous: FileIndex | None = None,
) -> tuple[FileIndex, Sequence[Finding]]:
    root = FileRoot(name="media", path=str(media))
    return index_files(root, repository, previous=previous, scratch=tmp_path / "scratch", elsewhere=elsewhere)


def rows_of(found: FileIndex, repository: Repository) -> list[dict[str, object]]:
    """What an index says of files, without where their contents are stored."""
    with open_index(found, repository) as opened:
        return [row for path in opened.paths for row in pq.read_table(path).drop(["parts"]).to_pylist()]


@pytest.mark.usefixtures("in_small_parts")
def test_the_index_is_that_of_one_machine_and_each_content_is_stored_once(
    filled: Path, repository: Repository, tmp_path: Path
) -> None:
    alone_in = Repository.create(RepositorySettings(url=str(tmp_path / "alone")))
    alone, _ = index(filled, alone_in, tmp_path)
    workers = others(filled, repository, tmp_path)

    together, findings = index(filled, repository, tmp_path, workers)

    assert len(workers.parts) == 5
    assert (workers.read, workers.left) == (106, 0)
    assert rows_of(together, repository) == rows_of(alone, alone_in)
    assert together.digest == alone.digest
    assert sum(together.pack_bytes.values()) == sum(alone.pack_bytes.values())
    assert not findings
    assert verify_files(together, repository) == ()


@pytest.mark.usefixtures("in_small_parts")
def test_files_of_a_copy_are_left_to_the_machine_that_listed_them(
    filled: Path, repository: Repository, tmp_path: Path
) -> None:
    """The other's folder has the same names, sizes and times, and other contents."""
    copy = tmp_path / "copy"
    shutil.copytree(filled, copy)
    for path in copy.rglob("*.bin"):
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    workers = others(copy, repository, tmp_path)

    made, findings = index(filled, repository, tmp_path, workers)

    assert (workers.read, workers.left) == (0, 106)
    alone, _ = index(filled, repository, tmp_path)
    assert made.digest == alone.digest
    assert not findings
    assert verify_files(made, repository) == ()


@pytest.mark.usefixtures("in_small_parts")
def test_files_below_a_folder_that_others_lack_are_no_finding(
    filled: Path, repository: Repository, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    shutil.copytree(filled, seen, copy_function=os.link)
    shutil.rmtree(seen / "3")
    workers = others(seen, repository, tmp_path)

    made, findings = index(filled, repository, tmp_path, workers)

    assert (workers.read, workers.left) == (96, 10)
    assert made.files == 106
    assert not findings
    assert verify_files(made, repository) == ()


@pytest.mark.usefixtures("in_small_parts")
def test_a_file_that_nobody_can_read_is_a_finding_once(filled: Path, repository: Repository, tmp_path: Path) -> None:
    class Vanishing(Others):
        def __call__(self, parts: Sequence[PartOfFiles]) -> list[ReadPart]:
            (filled / "4" / "014.bin").unlink()
            return super().__call__(parts)

    workers = Vanishing(filled, repository, tmp_path / "others")
    (tmp_path / "others").mkdir()

    made, findings = index(filled, repository, tmp_path, workers)

    assert [(one.code, one.count) for one in findings] == [("file-vanished", 1)]
    assert made.files == 105


@pytest.mark.usefixtures("in_small_parts")
def test_the_next_backup_has_only_what_changed_read_and_stores_no_known_content(
    filled: Path, repository: Repository, tmp_path: Path
) -> None:
    workers = others(filled, repository, tmp_path)
    first, _ = index(filled, repository, tmp_path, workers)
    (filled / "new.bin").write_bytes(b"new")
    shutil.copyfile(filled / "7" / "007.bin", filled / "known.bin")
    let_settle()

    second, _ = index(filled, repository, tmp_path, workers, previous=first)

    assert (workers.read, workers.left) == (2, 0)
    assert second.files == 108
    assert sum(second.pack_bytes.values()) == sum(first.pack_bytes.values()) + 3
    assert verify_files(second, repository) == ()


def test_files_of_one_size_are_dealt_to_all_parts_if_they_fill_one(
    media: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_files, "_BYTES_OF_A_PART", 20_000)
    for number in range(100):
        (media / f"{number:03d}.bin").write_bytes(random.Random(number).randbytes(1_000))
    let_settle()
    workers = others(media, repository, tmp_path)

    made, _ = index(media, repository, tmp_path, workers)

    assert len(workers.parts) == 5
    assert all(part.files for part in workers.parts)
    assert workers.read == made.files == 100
    assert verify_files(made, repository) == ()
