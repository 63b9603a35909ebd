"""Packs that are verified in parts, on several machines: together the parts are the whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from edms_tasks.files import index_files, verify_files
from edms_tasks.files.index import PACK_BYTES, OpenedIndex
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.pack_check import ContentProblems, PartOfPacks, all_parts, assess_part
from edms_tasks.files.pack_contents import files_of_several_packs
from edms_tasks.inventory.model import FileRoot
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository


@pytest.mark.long
@pytest.mark.parametrize(
    "damaged",
    [
        "a pack",
        "an unused pack",
        *(pytest.param(one, marks=pytest.mark.long) for one in ("nothing", "a pack of a large file")),
    ],
)
def test_parts_find_what_the_whole_finds_and_read_nothing_twice(
    repository: Repository, tmp_path: Path, damaged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(1)
    source = tmp_path / "media"
    source.mkdir()
    for number in range(40):
        (source / f"{number:02d}.bin").write_bytes(rng.randbytes(1_500_000))
    (source / "large.bin").write_bytes(rng.randbytes(PACK_BYTES * 2 + 5))
    index, _ = index_files(FileRoot(name="media", path=str(source)), repository, scratch=tmp_path / "scratch")
    if damaged == "an unused pack":
        stray = repository.put_bytes(b"no contents of a file")
        index = index.model_copy(update={"packs": (*index.packs, stray)})
    with open_index(index, repository) as opened:
        (large,) = files_of_several_packs(opened)
    of_large = [part.object for part in large.parts]
    small = next(ref.sha256 for ref in index.packs if ref.sha256 not in of_large)
    name = {"a pack": small, "a pack of a large file": of_large[1], "an unused pack": index.packs[-1].sha256}.get(
        damaged
    )
    if name is not None:
        path = next((tmp_path / "backups").rglob(name))
        path.write_bytes(path.read_bytes()[:-1])
    whole = verify_files(index, repository)
    read: list[str] = []
    of_repository = Repository.read

    def noted(self: Repository, ref: ObjectRef) -> bytes:
        read.append(ref.sha256)
        return of_repository(self, ref)

    def in_parts(opened: OpenedIndex) -> ContentProblems:
        parts = [PartOfPacks(number, 3) for number in range(3)]
        return all_parts([assess_part(index, repository, part, scratch=tmp_path / "parts") for part in parts])

    monkeypatch.setattr(Repository, "read", noted)
    assert sorted(verify_files(index, repository, assess=in_parts)) == sorted(whole)
    assert bool(whole) == (damaged != "nothing")
    packs = [name for name in read if name in {ref.sha256 for ref in index.packs}]
    assert len(packs) == len(set(packs)) >= 6
