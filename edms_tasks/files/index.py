"""The index of a file root: what its rows mean, how it is written, and how it is read without trusting it.

Rows are in depth-first order: by the list of path components, compared as bytes. The first row is the root itself, with
the empty path. So a reader needs no memory to see that no path comes twice and that every parent is a folder.

**Digest.** For every row but the root's: MD5 of ``path \\0 kind \\0 size \\0 sha256`` (path as its raw bytes; kind
``file`` or ``dir``; size in decimal digits; sha256 in hex; a folder has size 0 and an empty sha256), read as a
big-endian number. The digest is the sum of all, modulo 2**128, as 32 hex digits: the order of rows does not matter.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import FileIndex, ObjectRef
from edms_tasks.repository import Repository

PACK_BYTES = 16 * 1024 * 1024
LARGEST_PACK_OBJECT = PACK_BYTES + PACK_BYTES // 64 + 4096  # zstd never grows its input by more
ROWS_AT_ONCE = 8192
ROWS_PER_OBJECT = 32 * ROWS_AT_ONCE

SCHEMA = pa.schema(
    [
        pa.field("path", pa.binary(), nullable=False),  # raw bytes, "/" between components; b"" is the root
        pa.field("kind", pa.string(), nullable=False),  # "file" | "dir"
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("ctime_ns", pa.int64(), nullable=False),
        pa.field("inode", pa.uint64(), nullable=False),  # 0: never take this row for unchanged
        pa.field("mode", pa.int32(), nullable=False),
        pa.field("uid", pa.int64(), nullable=False),
        pa.field("gid", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),  # hex; "" for folders
        pa.field(
            "parts",
            pa.list_(pa.struct([("object", pa.string()), ("offset", pa.int64()), ("length", pa.int64())])),
            nullable=False,
        ),  # where the content stands: bytes offset … offset+length of the unpacked object
    ]
)

_HEX64 = re.compile(r"[0-9a-f]{64}")
_NANOSECONDS = 2**63 - 1


class Part(NamedTuple):
    """A run of bytes in an unpacked pack."""

    object: str
    offset: int
    length: int


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
    parts: tuple[Part, ...]


def order_of(path: bytes) -> list[bytes]:
    """What rows are sorted by."""
    return path.split(b"/")


def readable(path: bytes) -> str:
    """A path for people and JSON: what is not UTF-8 or not printable is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class Digest:
    """The running digest over rows, see the head of this file."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, path: bytes, kind: str, size: int, sha256: str) -> None:
        """Count one row in; the root's own row does not count."""
        if path:
            text = b"%b\0%b\0%d\0%b" % (path, kind.encode(), size, sha256.encode())
            self._sum += int.from_bytes(hashlib.md5(text, usedforsecurity=False).digest(), "big")

    def hexdigest(self) -> str:
        """32 hex digits."""
        return f"{self._sum % 2**128:032x}"


class IndexWriter:
    """Rows in, Parquet objects out; holds a few thousand rows at a time."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._repository = repository
        self._path = folder / "index.parquet"
        self._rows: list[Entry] = []
        self._writer: pq.ParquetWriter | None = None
        self._written = 0
        self._objects: list[ObjectRef] = []
        self._digest = Digest()
        self.files = 0
        self.bytes = 0

    def add(self, entry: Entry) -> None:
        """Add the next row, in order."""
        self._rows.append(entry)
        self._digest.add(entry.path, entry.kind, entry.size, entry.sha256)
        if entry.kind == "file":
            self.files += 1
            self.bytes += entry.size
        if len(self._rows) >= ROWS_AT_ONCE:
            self._flush()

    def close(self) -> tuple[tuple[ObjectRef, ...], str]:
        """Store what is left; returns the index's objects and the digest."""
        self._flush()
        self._store()
        return tuple(self._objects), self._digest.hexdigest()

    def _flush(self) -> None:
        if not self._rows:
            return
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, SCHEMA, compression="zstd")
        columns = [pa.array(values, field.type) for values, field in zip(_columns(self._rows), SCHEMA, strict=True)]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
        self._written += len(self._rows)
        self._rows = []
        if self._written >= ROWS_PER_OBJECT:
            self._store()

    def _store(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._writer, self._written = None, 0
        self._objects.append(self._repository.put_file(self._path))
        self._path.unlink()


def _columns(rows: list[Entry]) -> Iterator[list[object]]:
    for position, name in enumerate(Entry._fields):
        if name == "parts":
            yield [[part._asdict() for part in row.parts] for row in rows]
        else:
            yield [row[position] for row in rows]


@dataclass(frozen=True)
class OpenedIndex:
    """An index fetched and found sound."""

    index: FileIndex
    paths: tuple[Path, ...]  # its Parquet files
    folder: Path  # for temporary files; gone with the index

    def entries(self) -> Iterator[Entry]:
        """All rows, in order."""
        return _entries(self.paths, self.index.root.name)


@contextmanager
def open_index(index: FileIndex, repository: Repository, spool: Path | None = None) -> Iterator[OpenedIndex]:
    """Fetch an index and check every row, its order, its totals and its digest, before anybody uses it.

    Raises:
        DamagedRepository: an object is missing or altered, or a row says what no backup writes.
    """
    if spool is not None:
        spool.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="file-index-", dir=spool) as folder:
        paths = []
        for number, ref in enumerate(index.index):
            path = Path(folder) / f"{number:06d}.parquet"
            repository.fetch(ref, path)
            paths.append(path)
        opened = OpenedIndex(index=index, paths=tuple(paths), folder=Path(folder))
        _check_rows(opened)
        yield opened


def _check_rows(opened: OpenedIndex) -> None:
    index = opened.index
    packs = {ref.sha256 for ref in index.packs}
    digest, files, total = Digest(), 0, 0
    parents: list[bytes] = []  # components of the folder the last row stands in, or is
    last: list[bytes] | None = None
    for entry in opened.entries():
        problem = _problem_of(entry, packs)
        components = order_of(entry.path)
        if problem is None and last is None and (entry.path or entry.kind != "dir"):
            problem = "the first row is not the root"
        if problem is None and last is not None:
            if components <= last:
                problem = "it comes twice, or out of order"
            elif parents[: len(components) - 1] != components[:-1]:
                problem = "its folder is not in the index"
        if problem is not None:
            raise _unsound(index.root.name, f"{readable(entry.path)[:200]!r}: {problem}")
        parents = components[:-1] if entry.kind == "file" else components if entry.path else []
        last = components
        digest.add(entry.path, entry.kind, entry.size, entry.sha256)
        if entry.kind == "file":
            files, total = files + 1, total + entry.size
    if (files, total, digest.hexdigest()) != (index.files, index.bytes, index.digest):
        raise _unsound(index.root.name, "its rows do not add up to what the manifest says")


def _problem_of(entry: Entry, packs: set[str]) -> str | None:
    if entry.path and any(c in (b"", b".", b"..") or len(c) > 255 for c in entry.path.split(b"/")):
        return "not a path inside the root"
    if b"\0" in entry.path:
        return "not a path"
    if entry.kind == "dir":
        return "a folder with content" if entry.size or entry.sha256 or entry.parts else None
    if entry.kind != "file" or not entry.path:
        return "neither a file nor a folder"
    if entry.size < 0 or not _HEX64.fullmatch(entry.sha256):
        return "no size or no SHA-256"
    if abs(entry.mtime_ns) > _NANOSECONDS:
        return "no time"
    for part in entry.parts:
        if part.object not in packs:
            return "its content is in a pack the manifest does not name"
        if part.offset < 0 or part.length <= 0 or part.offset + part.length > PACK_BYTES:
            return "its content lies outside its pack"
    if sum(part.length for part in entry.parts) != entry.size:
        return "its parts do not add up to its size"
    return None


def _entries(paths: tuple[Path, ...], root: str) -> Iterator[Entry]:
    for path in paths:
        try:
            with pq.ParquetFile(path, memory_map=False) as file:
                if not file.schema_arrow.equals(SCHEMA):
                    raise _unsound(root, "its columns are not those of an index")
                for batch in file.iter_batches(ROWS_AT_ONCE):
                    for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        yield Entry._make((*row[:-1], tuple(Part(**part) for part in row[-1])))
        except (pa.ArrowException, TypeError) as error:
            raise _unsound(root, str(error).splitlines()[0][:200]) from error


def _unsound(root: str, why: str) -> DamagedRepository:
    return DamagedRepository(
        "The index of a file root is not sound.",
        where=f"files of {root}",
        why=why,
        cure="Restore another snapshot; nothing was written.",
    )
