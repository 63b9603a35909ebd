"""Thirty days of backups and prunes: what the kept snapshots do not need stays a bounded part of the repository."""

from __future__ import annotations

import os
import random
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from edms_tasks.files import index_files, verify_files
from edms_tasks.incremental.block_changes import changes
from edms_tasks.inventory.model import FileRoot
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.repository.sweep import sweep_objects
from edms_tasks.settings import RepositorySettings

DAYS, KEPT = 30, 3


class Month:
    """A folder of files that change, its backups, and a repository in which the last three are kept."""

    def __init__(self, folder: Path, repack_above: int | None) -> None:
        self.repository = Repository.create(RepositorySettings(url=str(folder / "backups")))
        self.media, self.scratch = folder / "media", folder / "scratch"
        self.media.mkdir(parents=True)
        self._above = repack_above
        self._random = random.Random(1)
        self.indexes: list[FileIndex] = []
        self.stored: list[int] = []  # bytes of packs, after each day's prune
        self.written: list[int] = []  # bytes of new packs of each day

    def write(self, name: int, size: int = 20_000) -> None:
        path = self.media / f"{name:05d}"
        path.write_bytes(self._random.randbytes(size))  # zstd does not make it smaller
        os.utime(path, ns=(0, 0))  # old enough to be trusted

    def backup(self) -> None:
        previous = self.indexes[-1] if self.indexes else None
        index, _ = index_files(
            FileRoot(name="media", path=str(self.media)),
            self.repository,
            previous=previous,
            scratch=self.scratch,
            repack_above=self._above,
        )
        before = {ref.sha256 for ref in previous.packs} if previous else set()
        self.written.append(sum(ref.size for ref in index.packs if ref.sha256 not in before))
        self.indexes = [*self.indexes, index][-KEPT:]
        needed = {self.repository.stored_name(ref) for one in self.indexes for ref in (*one.index, *one.packs)}
        sweep_objects(self.repository.backend, needed, lambda: None, grace=timedelta(0))
        self.stored.append(sum({ref.sha256: ref.size for one in self.indexes for ref in one.packs}.values()))

    def live(self) -> int:
        return sum(path.stat().st_size for path in self.media.iterdir())


def _month(folder: Path, repack_above: int | None) -> Month:
    """A hundred files, a tenth of which is replaced or exchanged for new ones every day."""
    month = Month(folder, repack_above)
    for name in range(100):
        month.write(name)
    for day in range(DAYS):
        month.backup()
        names = sorted(int(path.name) for path in month.media.iterdir())
        for name in month._random.sample(names, 10):
            if name % 2:
                month.write(name)
            else:
                (month.media / f"{name:05d}").unlink()
                month.write(1000 + 10 * day + name % 10)
        while len(list(month.media.iterdir())) < 100:
            month.write(5000 + day * 100 + month._random.randrange(100))
    return month


@pytest.mark.long  # one pack, below
def test_packs_that_are_mostly_unneeded_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of at most 400,000 bytes, so that the folder has several."""
    monkeypatch.setattr("edms_tasks.files.pack_writer.PACK_BYTES", 400_000)
    bounded, growing = _month(tmp_path / "bounded", 50), _month(tmp_path / "growing", None)
    live = bounded.live()
    assert abs(live - 2_000_000) < 200_000
    # Half of each pack may be unneeded, a day's changes come on top for each kept snapshot.
    limit = 2 * live + KEPT * live // 10
    assert max(bounded.stored) < limit, [size / live for size in bounded.stored]
    assert max(growing.stored) > limit, "otherwise this shows nothing"
    # What is stored again is a small part more than what changed.
    assert sum(bounded.written[1:]) < 2 * sum(growing.written[1:])
    for index in bounded.indexes:
        assert verify_files(index, bounded.repository) == ()


def test_touched_and_moved_files_are_no_reason_to_store_them_again(tmp_path: Path) -> None:
    month = Month(tmp_path, 50)
    for name in range(20):
        month.write(name)
    month.backup()
    for path in month.media.iterdir():
        path.rename(path.with_name(f"moved-{path.name}"))
    month.backup()
    assert month.written[1] == 0
    month.backup()
    assert month.written[2] == 0


def test_a_pack_whose_end_is_unneeded_is_stored_again(tmp_path: Path) -> None:
    """The size of a pack is recorded: its last contents are gone, so the index alone does not show it."""
    month = Month(tmp_path, 50)
    for name in range(20):
        month.write(name)
    month.backup()
    for name in range(5, 20):
        (month.media / f"{name:05d}").unlink()
    month.backup()
    assert month.written[1] == 0, "the next backup stores it again, not this one"
    month.backup()
    assert 100_000 <= month.written[2] < 101_000
    month.backup()
    assert month.written[3] == 0


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_superseded_rows_stay_at_most_as_many_as_rows(rate: float) -> None:
    """A block of rows, some of which are updated every day: in how many rows is it stored?"""
    generator = np.random.default_rng(1)
    rows = pa.table({"id": np.arange(10_000), "text": np.zeros(10_000, dtype=np.int64)})
    chunks: list[tuple[pa.Table, np.ndarray]] = [(rows, np.arange(10_000, dtype=np.int32))]  # type: ignore[type-arg]
    stored, written = [], 0
    for day in range(1, DAYS + 1):
        text = rows["text"].to_numpy().copy()
        text[generator.choice(10_000, int(10_000 * rate), replace=False)] = day
        rows = rows.set_column(1, "text", pa.array(text))
        live = [(chunk.take(pa.array(numbers)), numbers) for chunk, numbers in chunks]
        found = changes(rows, live, [chunk.num_rows for chunk, _ in chunks], ["id"], same_keys=True)
        if found is None:
            chunks = [(rows, np.arange(10_000, dtype=np.int32))]
            written += 10_000
        else:
            chunks = [
                (chunk, np.setdiff1d(np.arange(chunk.num_rows, dtype=np.int32), gone))
                for (chunk, _), gone in zip(chunks, found.superseded, strict=True)
            ]
            new = rows.take(pa.array(found.new))
            chunks.append((new, np.arange(new.num_rows, dtype=np.int32)))
            written += new.num_rows
        assert sum(len(numbers) for _, numbers in chunks) == 10_000
        stored.append(sum(chunk.num_rows for chunk, _ in chunks))
    assert max(stored) <= 2 * 10_000
    assert written < DAYS * 10_000 * 3 / 4, "more than storing every block anew every day would be no use"
