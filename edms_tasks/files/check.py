"""The proof: a folder compared with its index, and an index compared with its packs, every byte read again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.contents import PackReader, files_by_pack, query_index
from edms_tasks.files.index import Digest, OpenedIndex, open_index, readable
from edms_tasks.files.pack import BLOCK, open_file
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.walk import Found, walk
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository

NAMES_SHOWN = 20


@dataclass(frozen=True)
class FileCheck:
    """What a folder should hold, and holds; names are the first twenty of each kind, counts are of all."""

    root: str
    expected: int  # files
    found: int
    expected_digest: str
    found_digest: str
    missing: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    missing_count: int = 0
    altered_count: int = 0
    unexpected_count: int = 0

    @property
    def success(self) -> bool:
        """Whether the folder holds exactly what the index says."""
        named = self.missing or self.altered or self.unexpected
        return self.expected == self.found and self.expected_digest == self.found_digest and not named


def check_files(
    index: FileIndex,
    repository: Repository,
    folder: Path,
    *,
    spool: Path | None = None,
    progress: Progress | None = None,
) -> FileCheck:
    """Read every file of the folder and compare path, kind, size and content with the index."""
    with open_index(index, repository, spool) as opened:
        seen = _Seen(opened.folder / "seen.parquet")
        base = os.fsencode(folder)
        meter = Meter(progress)
        for found in walk(base, seen.other):
            seen.add(base, found)
            if found.kind == "file":
                meter.count()
        seen.close()
        names: dict[str, list[str]] = {"missing": [], "altered": [], "unexpected": []}
        counts = dict.fromkeys(names, 0)
        for verdict, path in _differences(opened, seen.path):
            counts[verdict] += 1
            if len(names[verdict]) < NAMES_SHOWN:
                names[verdict].append(readable(path))
    meter.tell()
    return FileCheck(
        root=index.root.name,
        expected=index.files,
        found=seen.files,
        expected_digest=index.digest,
        found_digest=seen.digest.hexdigest(),
        missing=tuple(names["missing"]),
        altered=tuple(names["altered"]),
        unexpected=tuple(names["unexpected"]),
        missing_count=counts["missing"],
        altered_count=counts["altered"],
        unexpected_count=counts["unexpected"],
    )


def verify_files(
    index: FileIndex,
    repository: Repository,
    *,
    spool: Path | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Read the index and every pack again, recompute every file's SHA-256 from them; returns what is wrong.

    A damaged object does not hide the others: each is named once, and so are the files that need it, up to twenty.
    """
    name = f"files of {index.root.name}"
    problems: list[str] = []
    hurt: list[str] = []
    meter = Meter(progress)
    try:
        with open_index(index, repository, spool) as opened:
            packs = PackReader(opened, repository)
            used: set[str] = set()
            for file in files_by_pack(opened):
                used.update(part.object for part in file.parts)
                try:
                    for _ in packs.blocks(file):
                        pass
                except DamagedRepository as error:
                    if error not in packs.damaged.values():
                        problems.append(f"{error.where}: {error.why}")
                    elif len(hurt) < NAMES_SHOWN:
                        hurt.append(f"{name}: {readable(file.path)}: its pack is damaged")
                else:
                    meter.count()
            problems += [f"{name}: object {pack}: {error.why}" for pack, error in packs.damaged.items()]
    except DamagedRepository as error:
        # Without a sound index no file can be told from another, but the packs can still be compared with their names.
        problems.append(f"{name}: the index: {error.where}: {error.why}")
        used = set()
    for ref in index.packs:
        if ref.sha256 not in used:
            try:
                repository.check(ref)
            except DamagedRepository as error:
                problems.append(f"{name}: object {ref.sha256}: {error.why}")
    meter.tell()
    return (*problems, *hurt)


def _differences(opened: OpenedIndex, seen: Path) -> Iterator[tuple[str, bytes]]:
    """(verdict, path) for every path on which the index and the folder disagree, by path."""
    query = """
        SELECT
            CASE
                WHEN seen.path IS NULL THEN 'missing'
                WHEN stored.path IS NULL THEN 'unexpected'
                ELSE 'altered'
            END AS verdict,
            coalesce(stored.path, seen.path) AS path
        FROM (
            SELECT path, kind, size, sha256
            FROM read_parquet($paths)
        ) AS stored
        FULL OUTER JOIN read_parquet($seen) AS seen ON seen.path = stored.path
        WHERE
            seen.path IS NULL
            OR stored.path IS NULL
            OR (seen.kind, seen.size, seen.sha256) IS DISTINCT FROM (stored.kind, stored.size, stored.sha256)
        ORDER BY 2
    """
    if opened.paths:
        yield from query_index(opened, query, seen=str(seen))
        return
    # A root that was not there at backup: all that is here now is unexpected.
    for batch in pq.ParquetFile(seen).iter_batches(columns=["path"]):
        yield from (("unexpected", path) for path in batch.column(0).to_pylist() if path)


class _Seen:
    """What a folder holds, digested while it is read, and written down for the comparison."""

    _schema = pa.schema([("path", pa.binary()), ("kind", pa.string()), ("size", pa.int64()), ("sha256", pa.string())])

    def __init__(self, path: Path) -> None:
        self.path = path
        self.digest = Digest()
        self.files = 0
        self._rows: list[tuple[bytes, str, int, str]] = []
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, base: bytes, found: Found) -> None:
        """Read and note one file or folder."""
        if found.link:
            self._note(found.path, "link", 0, "")
        elif found.kind == "dir":
            self._note(found.path, "dir", 0, "")
        else:
            size, sha256 = _hashed(os.path.join(base, found.path))  # noqa: PTH118 - names may not be UTF-8
            self._note(found.path, "file", size, sha256)
            self.files += 1

    def other(self, code: str, path: bytes) -> None:
        """Note what is neither file nor folder, or cannot be looked at."""
        if path:
            self._note(path, code, 0, "")

    def close(self) -> None:
        """Write the rest."""
        self._flush()
        self._writer.close()

    def _note(self, path: bytes, kind: str, size: int, sha256: str) -> None:
        self.digest.add(path, kind, size, sha256)
        self._rows.append((path, kind, size, sha256))
        if len(self._rows) >= 8192:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            columns = [
                pa.array(values, field.type)
                for values, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
            self._rows = []


def _hashed(path: bytes) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    try:
        descriptor = open_file(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            while block := os.read(descriptor, BLOCK):
                digest.update(block)
                size += len(block)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Unreadable is not equal: the comparison names the file as altered.
        return size, f"unreadable: {error.strerror}"
    return size, digest.hexdigest()
