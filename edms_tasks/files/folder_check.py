"""Check that a folder has the contents that its index says: every file is read again."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.files.folder_listing import batch_of
from edms_tasks.files.folder_walk import WalkedEntry, walk
from edms_tasks.files.index import SCHEMA, OpenedIndex, digest_of, readable
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.pack_contents import query_index
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.read_ahead import BLOCK, in_order, open_file
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository

NAMES_SHOWN = 20

_GROUP_FILES = 64
_ROWS_AT_ONCE = 32_768
_SEEN = pa.schema(
    [("path", pa.binary()), ("kind", pa.string()), ("size", pa.int64()), ("sha256", pa.string())]
    + [(name, SCHEMA.field(name).type) for name in ("mode", "mtime_ns", "uid", "gid")]
)
SeenRow = tuple[bytes, str, int, str, int, int, int, int]
"""What is at a path: path, kind, size and SHA-256, permissions, time and owners."""


@dataclass(frozen=True)
class FileCheck:
    """The comparison of a folder with its index: the number of differences of each kind, and up to twenty names.

    Permissions, times and (for root) owners are compared, too. Some file systems, such as FAT and CIFS, cannot store them
    although the contents are equal. So such a difference is a note, and does not fail the check.
    """

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
    attributes: tuple[str, ...] = ()  # "path (permissions 644, were 4755)"
    attributes_count: int = 0
    of_objects: bool = False  # then `attributes` names objects with other headers than they were given

    @property
    def success(self) -> bool:
        """Whether the folder's contents are exactly those of the index."""
        named = self.missing or self.altered or self.unexpected
        return self.expected == self.found and self.expected_digest == self.found_digest and not named

    @property
    def note(self) -> str:
        """A sentence about permissions, times and owners (of objects: headers) that differ; "" if all are right."""
        if not self.attributes_count:
            return ""
        if self.of_objects:
            return (
                f"files of {self.root}: the contents are right, but the store gave {self.attributes_count:,} objects other headers than "
                f"those of the snapshot: {', '.join(self.attributes[:3])}."
            )
        more = f", and {self.attributes_count - 3:,} more" if self.attributes_count > 3 else ""
        return (
            f"files of {self.root}: the contents are right, but {self.attributes_count:,} were restored with other permissions, times "
            "or owners, because the file system or the user of this restore cannot set them: "
            f"{'; '.join(self.attributes[:3])}{more}."
        )


def check_files(
    index: FileIndex,
    repository: Repository,
    folder: Path,
    *,
    scratch: Path | None = None,
    progress: Progress | None = None,
    jobs: int = 2,
) -> FileCheck:
    """Read every file of the folder on `jobs` threads, and compare path, kind, size and content with the index.

    Raises:
        DamagedRepository: the index is missing or altered.
    """
    return compare_with_index(index, repository, _look(os.fsencode(folder), jobs), scratch, progress, attributes=True)


def compare_with_index(
    index: FileIndex,
    repository: Repository,
    there: Iterable[Sequence[SeenRow]],
    scratch: Path | None,
    progress: Progress | None,
    *,
    attributes: bool,
) -> FileCheck:
    """Compare what was seen at a place with the index; `attributes`: permissions, times and owners, too."""
    with open_index(index, repository, scratch) as opened, opened.workspace() as workspace:
        seen = opened.folder / "seen.parquet"
        files = _write_seen(there, seen, progress)
        digest = digest_of([seen], workspace)
        names: dict[str, list[str]] = {"missing": [], "altered": [], "unexpected": []}
        counts = dict.fromkeys(names, 0)
        for verdict, path in _differences(opened, seen):
            counts[verdict] += 1
            if len(names[verdict]) < NAMES_SHOWN:
                names[verdict].append(readable(path))
        others, others_count = list[str](), 0
        for row in query_index(opened, _ATTRIBUTES, seen=str(seen), owners=_owns_all()) if attributes else ():
            others_count += 1
            if len(others) < NAMES_SHOWN:
                others.append(_told(*row))
    return FileCheck(
        root=index.root.name,
        expected=index.files,
        found=files,
        expected_digest=index.digest,
        found_digest=digest,
        missing=tuple(names["missing"]),
        altered=tuple(names["altered"]),
        unexpected=tuple(names["unexpected"]),
        missing_count=counts["missing"],
        altered_count=counts["altered"],
        unexpected_count=counts["unexpected"],
        attributes=tuple(others),
        attributes_count=others_count,
    )


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
    # The root did not exist at the backup, so every file in it is unexpected.
    for batch in pq.ParquetFile(seen).iter_batches(columns=["path"]):
        yield from (("unexpected", path) for path in batch.column(0).to_pylist() if path)


_ATTRIBUTES = """
    SELECT stored.path, stored.mode, seen.mode, stored.mtime_ns, seen.mtime_ns, stored.uid, seen.uid, stored.gid, seen.gid
    FROM read_parquet($paths) AS stored
    JOIN read_parquet($seen) AS seen ON seen.path = stored.path AND seen.kind = stored.kind
    WHERE
        (stored.mode, stored.mtime_ns) <> (seen.mode, seen.mtime_ns)
        OR $owners AND (stored.uid, stored.gid) <> (seen.uid, seen.gid)
    ORDER BY stored.path
"""


def _owns_all() -> bool:
    """Only root can give files to others, so only then are owners expected."""
    return os.geteuid() == 0


def _told(path: bytes, *pairs: int) -> str:
    was_mode, mode, was_time, time, was_uid, uid, was_gid, gid = pairs
    parts = []
    if mode != was_mode:
        parts.append(f"permissions {mode:o}, were {was_mode:o}")
    if time != was_time:
        parts.append(f"time {time} ns, was {was_time} ns")
    if _owns_all() and (uid, gid) != (was_uid, was_gid):
        parts.append(f"owner {uid}:{gid}, was {was_uid}:{was_gid}")
    return f"{readable(path) or '.'} ({'; '.join(parts)})"


def _look(base: bytes, jobs: int) -> Iterator[list[SeenRow]]:
    """The contents of a folder, in groups: files are read and hashed, links and others only named."""
    others: list[SeenRow] = []

    def other(code: str, path: bytes) -> None:
        if path:
            others.append((path, code, 0, "", 0, 0, 0, 0))

    with ThreadPoolExecutor(jobs) as threads:
        groups = in_groups(walk(base, other))
        yield from in_order(threads, lambda group: [_looked_at(base, found) for found in group], groups, ahead=4 * jobs)
    yield others


def in_groups(found: Iterator[WalkedEntry]) -> Iterator[list[WalkedEntry]]:
    """What a walk found, in groups that are worth a thread."""
    while group := list(itertools.islice(found, _GROUP_FILES)):
        yield group


def _looked_at(base: bytes, found: WalkedEntry) -> SeenRow:
    of = found.stat
    attributes = (stat.S_IMODE(of.st_mode), of.st_mtime_ns, of.st_uid, of.st_gid)
    if found.link:
        return found.path, "link", 0, "", *attributes
    if found.kind == "dir":
        return found.path, "dir", 0, "", *attributes
    size, sha256 = _hashed(base + b"/" + found.path)
    return found.path, "file", size, sha256, *attributes


def _write_seen(groups: Iterable[Sequence[SeenRow]], into: Path, progress: Progress | None) -> int:
    """Write what was seen to a Parquet file; returns how many files there are."""
    meter, rows = Meter(progress), list[SeenRow]()
    with pq.ParquetWriter(into, _SEEN, compression="lz4") as writer:
        for group in groups:
            rows += group
            meter.count(sum(row[1] == "file" for row in group), sum(row[2] for row in group))
            if len(rows) >= _ROWS_AT_ONCE:
                writer.write_batch(batch_of(rows, _SEEN))
                rows = []
        if rows:
            writer.write_batch(batch_of(rows, _SEEN))
    meter.tell()
    return meter.counted


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
        # An unreadable file is not equal: it is reported as altered.
        return size, f"unreadable: {error.strerror}"
    return size, digest.hexdigest()
