"""Read and pack the files of a root that are new or changed: all of them here, or in parts that workers on other machines read.

A worker may see another folder than the one that was listed: a copy, or one in which a file system is not mounted. So it takes a file only
if the file has the inode, size and time with which it was listed; what it leaves is read by the machine that listed it.
Files of one size are in one part, so that of equal files, too, the content is stored once; the exception is a size that fills a part.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.files.folder_walk import Tell
from edms_tasks.files.pack_writer import Packer
from edms_tasks.files.progress import Meter
from edms_tasks.files.read_ahead import (
    Content,
    FileBeingRead,
    FileFailed,
    FileToRead,
    Opening,
    Read,
    TooLarge,
    read_ahead,
)
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository

_WRITERS = 2
_BYTES_OF_A_PART = 64 << 20
_FILES_OF_A_PART = 2_000
_MOST_PARTS = 64


class Packed(NamedTuple):
    """What became of files that were read."""

    rows: Path  # Parquet, of `READ_SCHEMA`
    packs: Mapping[str, ObjectRef]  # those that were known as well
    sizes: Mapping[str, int]  # bytes in new packs, unpacked


def read_changed(
    opening: Opening,
    changed: Iterable[FileToRead],
    contents: Iterable[pa.RecordBatch],
    packs: Mapping[str, ObjectRef],
    repository: Repository,
    folder: Path,
    *,
    tell: Tell,
    meter: Meter,
    jobs: int,
    leave: Callable[[FileToRead], None] | None = None,
) -> Packed:
    """Read and pack files.

    Args:
        opening: opens a file.
        changed: the files, in order.
        contents: what is stored already, as `Packer.know` takes it; not looked at if there are no files.
        packs: the packs that hold it.
        repository: where new packs go.
        folder: for temporary files, and the rows.
        tell: gets the code of a finding, and a path.
        meter: counts.
        jobs: how many threads read and compress.
        leave: gets what cannot be read; None: that is told.
    """
    with (
        ThreadPoolExecutor(_WRITERS) as writers,
        ThreadPoolExecutor(jobs) as threads,
        closing(Packer(repository, threads, writers, folder, ahead=jobs + _WRITERS)) as packer,
    ):
        files = iter(changed)
        first = next(files, None)
        if first is not None:
            packer.know(contents, packs)
            for group in read_ahead(opening, itertools.chain([first], files), threads, ahead=4 * jobs):
                for read in group:
                    _take(opening, read, packer, tell, meter, leave)
        made = packer.finish()
    return Packed(packer.path, {**packs, **made}, packer.sizes)


def _take(
    opening: Opening,
    read: Read,
    packer: Packer,
    tell: Tell,
    meter: Meter,
    leave: Callable[[FileToRead], None] | None,
) -> None:
    try:
        if isinstance(read, TooLarge):
            meter.count()
            trouble = packer.add_large(opening, read.file, meter)
        elif isinstance(read, Content):
            meter.count(1, read.file.size)
            trouble = read.trouble
            packer.add(read)
        else:
            meter.count(1, read.file.size)
            raise FileFailed(read.trouble)
    except FileFailed as failed:
        if leave is not None:
            leave(read.file)
            return
        trouble = str(failed)
    if trouble:
        tell(trouble, read.file.path)


class PartOfFiles(NamedTuple):
    """Files that one task reads: which part, of how many, and Parquet files that say more."""

    number: int
    of: int
    changed: Path  # the files
    contents: Path  # what is stored already, of their sizes
    packs: Mapping[str, ObjectRef]  # that hold it

    def __str__(self) -> str:
        return f", part {self.number + 1} of {self.of}" if self.of > 1 else ""


@dataclass(frozen=True)
class ReadPart:
    """What became of a part."""

    packed: Packed
    left: Sequence[int]  # positions of the files that are not there as they were listed
    troubles: Sequence[tuple[str, bytes]]
    files: int
    bytes: int


ReadElsewhere = Callable[[Sequence[PartOfFiles]], Sequence[ReadPart]]
"""Has parts read, wherever that may be."""


def number_of_parts(files: int, size: int) -> int:
    """In how many parts to read so many files and bytes: tasks of seconds, a few dozen at most."""
    return max(1, min(_MOST_PARTS, max(size // _BYTES_OF_A_PART, files // _FILES_OF_A_PART)))


def read_part(part: PartOfFiles, opening: Opening, repository: Repository, folder: Path, *, jobs: int) -> ReadPart:
    """Read and pack the files of a part that are as they were listed; `folder` is created."""
    folder.mkdir()
    left: list[FileToRead] = []
    troubles: list[tuple[str, bytes]] = []
    files, size = 0, 0

    def listed() -> Iterator[FileToRead]:
        nonlocal files, size
        for file in files_of(_batches(part.changed)):
            files, size = files + 1, size + file.size
            yield file

    packed = read_changed(
        _as_listed(opening),
        listed(),
        _batches(part.contents),
        part.packs,
        repository,
        folder,
        tell=lambda code, path: troubles.append((code, path)),
        meter=Meter(None),
        jobs=jobs,
        leave=left.append,
    )
    new = {name: packed.packs[name] for name in packed.sizes}
    positions = tuple(file.position for file in left)
    without = sum(file.size for file in left)
    return ReadPart(packed._replace(packs=new), positions, troubles, files - len(left), size - without)


def files_of(batches: Iterable[pa.RecordBatch]) -> Iterator[FileToRead]:
    """Files from batches with the columns of `FileToRead`, in its order."""
    for batch in batches:
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield FileToRead(*row)


def _as_listed(opening: Opening) -> Opening:
    """Opens a file only if it is the one that was listed."""

    @contextmanager
    def opened(file: FileToRead) -> Iterator[FileBeingRead]:
        with opening(file) as reading:
            found = reading.status
            if (found.st_ino, found.st_size, found.st_mtime_ns) != (file.inode, file.size, file.mtime_ns):
                raise FileFailed("file-vanished")
            yield reading

    return opened


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches()
