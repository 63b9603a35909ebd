"""Backing up a file root: every file read once, hashed in the same pass, packed, and listed in the index.

Small files stand one after another in packs of up to 16 MiB; larger ones are cut into packs of their own. A content is
stored once however many files have it, and a file that the previous index knows unchanged is not opened at all. Packs
follow the walk's order, so an unchanged root gives the same objects again. Memory holds two packs and their rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.index import PACK_BYTES, Entry, IndexWriter, Part, open_index, order_of
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.walk import Found, Troubles, excluding, walk
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.manifest import FileIndex, ObjectRef
from edms_tasks.repository import Repository

BLOCK = 1024 * 1024
ENTRIES_AT_ONCE = 50_000

# A change so soon after the one that was seen may leave the same time stamps behind; file systems that keep whole
# seconds need a longer wait. Rows this young are never taken for unchanged.
_YOUNG_NS = 100_000_000
_YOUNG_COARSE_NS = 2_000_000_000


def index_files(
    root: FileRoot,
    repository: Repository,
    *,
    exclude: Sequence[str] = (),
    previous: FileIndex | None = None,
    spool: Path,
    progress: Progress | None = None,
) -> tuple[FileIndex, tuple[Finding, ...]]:
    """Store a root's files; returns its index and what could not be kept as it is.

    Args:
        root: the folder.
        repository: where packs and index go.
        exclude: glob patterns of paths to leave out.
        previous: the same root's index in an earlier snapshot; what it knows unchanged is not read again.
        spool: folder for temporary files.
        progress: told how many files more are done.
    """
    spool.mkdir(parents=True, exist_ok=True)
    troubles = Troubles(root.name)
    with tempfile.TemporaryDirectory(prefix="files-", dir=spool) as folder:
        known = _Known(previous, repository, Path(folder), troubles)
        with closing(known), closing(_Packer(repository, Path(folder))) as packer:
            meter = Meter(progress)
            base = os.fsencode(root.path)
            own = _own_folders(repository, spool)
            for found in walk(base, troubles.tell, exclude=excluding(exclude), skip=own):
                if found.kind == "dir":
                    packer.add(_entry(found.path, "dir", found.stat))
                    continue
                entry = known.unchanged(found)
                if entry is not None:
                    packer.carry(entry, known.packs_of(entry))
                else:
                    _store(base, found, packer, troubles)
                meter.count()
                if found.link:
                    troubles.tell("link-stored-as-file", found.path)
            objects, digest, packs = packer.finish()
            meter.tell()
            index = FileIndex(
                root=root,
                files=packer.index.files,
                bytes=packer.index.bytes,
                digest=digest,
                index=objects,
                packs=packs,
            )
    return index, troubles.findings()


def _store(base: bytes, found: Found, packer: _Packer, troubles: Troubles) -> None:
    """Read one file into the packer; once more, if it changes meanwhile; then take what was read."""
    for attempt in (1, 2):
        try:
            with _Reading(base, found) as reading:
                content = packer.read(reading)
                changed = reading.changed(content.size)
        except _Vanished:
            packer.forget()
            troubles.tell("file-vanished", found.path)
            return
        except _NotReadable:
            packer.forget()
            troubles.tell("file-unreadable", found.path)
            return
        if changed and attempt == 1:
            packer.forget()
            continue
        if changed:
            troubles.tell("file-changed-while-read", found.path)
        packer.keep(
            _entry(found.path, "file", reading.status, content=content, settled=not changed and reading.settled)
        )
        return


class Content(NamedTuple):
    """What was read of a file."""

    size: int
    sha256: str
    parts: tuple[Part, ...]  # empty for one that stands in the open pack


def _entry(
    path: bytes, kind: str, status: os.stat_result, *, content: Content | None = None, settled: bool = True
) -> Entry:
    return Entry(
        path=path,
        kind=kind,
        size=content.size if content else 0,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        inode=status.st_ino if settled else 0,
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        sha256=content.sha256 if content else "",
        parts=content.parts if content else (),
    )


class _NotReadable(Exception):
    """The file, not the repository, failed."""


class _Vanished(Exception):
    """The file was there on the walk and is there no more."""


class _Reading:
    """A file open for reading; tells errors of the file from errors of everything else."""

    def __init__(self, base: bytes, found: Found) -> None:
        self._path = os.path.join(base, found.path)  # noqa: PTH118 - names may not be UTF-8
        self._flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if found.link else os.O_NOFOLLOW)

    def __enter__(self) -> _Reading:
        try:
            self._descriptor = open_file(self._path, self._flags)
        except FileNotFoundError as error:
            raise _Vanished from error
        except OSError as error:
            raise _NotReadable from error
        self.status = os.fstat(self._descriptor)
        if not stat.S_ISREG(self.status.st_mode):
            os.close(self._descriptor)
            raise _NotReadable
        newest = max(self.status.st_mtime_ns, self.status.st_ctime_ns)
        coarse = self.status.st_ctime_ns % 1_000_000_000 == 0
        self.settled = time.time_ns() - newest > (_YOUNG_COARSE_NS if coarse else _YOUNG_NS)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def blocks(self) -> Iterator[bytes]:
        """The file's bytes, no more than it had when it was opened: a file that grows for ever is read once."""
        left = self.status.st_size
        while left:
            try:
                block = os.read(self._descriptor, min(BLOCK, left))
            except OSError as error:
                raise _NotReadable from error
            if not block:
                return
            left -= len(block)
            yield block

    def changed(self, size: int) -> bool:
        """Whether it is no longer what it was when it was opened."""
        now = os.fstat(self._descriptor)
        before = self.status
        return (size, now.st_size, now.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns)


def open_file(path: bytes, flags: int) -> int:
    """The one place where a backup opens a file of the EDMS."""
    return os.open(path, flags)


class _Packer:
    """Contents in, packs and index rows out."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.index = IndexWriter(repository, folder)
        self._repository = repository
        self._open = bytearray()
        self._kept = 0  # bytes of the open pack that belong to rows; what follows is being read
        self._waiting: list[Entry] = []  # rows in order; those with size and no parts stand in the open pack
        self._places: dict[bytes, tuple[int, int]] = {}  # content -> its place in the open pack
        self._packs: dict[str, ObjectRef] = {}
        self._contents = _Contents(folder / "contents.sqlite")
        self._codec = pa.Codec("zstd", compression_level=3)

    def close(self) -> None:
        """Let go of the temporary database."""
        self._contents.close()

    def forget(self) -> None:
        """Drop what was read and not kept."""
        del self._open[self._kept :]

    def read(self, reading: _Reading) -> Content:
        """Read a file to its end: into the open pack if it is small, else into packs of its own."""
        if reading.status.st_size > PACK_BYTES:
            return self._read_large(reading)
        if len(self._open) + reading.status.st_size > PACK_BYTES:
            self._flush()
        digest = hashlib.sha256()
        for block in reading.blocks():
            digest.update(block)
            self._open += block
        return Content(len(self._open) - self._kept, digest.hexdigest(), ())

    def _read_large(self, reading: _Reading) -> Content:
        digest, total, pack = hashlib.sha256(), 0, bytearray()
        parts: list[Part] = []
        for block in reading.blocks():
            digest.update(block)
            total += len(block)
            pack += block
            while len(pack) >= PACK_BYTES:
                # What is over, after a short read, begins the next pack.
                parts.append(Part(self._put(bytes(pack[:PACK_BYTES])), 0, PACK_BYTES))
                del pack[:PACK_BYTES]
        if pack:
            parts.append(Part(self._put(bytes(pack)), 0, len(pack)))
        return Content(total, digest.hexdigest(), tuple(parts))

    def keep(self, entry: Entry) -> None:
        """Add the file that was just read; a content that is stored already is dropped from the open pack."""
        if entry.size and not entry.parts:
            key = bytes.fromhex(entry.sha256)
            stored = self._contents.find(key)
            if stored is not None:
                entry = entry._replace(parts=stored)
            if stored is not None or key in self._places:
                self.forget()
            else:
                self._places[key] = (self._kept, entry.size)
                self._kept = len(self._open)
        self.add(entry)

    def carry(self, entry: Entry, packs: Sequence[ObjectRef]) -> None:
        """Add a file whose content an earlier snapshot stored in these packs."""
        self._packs.update((ref.sha256, ref) for ref in packs)
        if len(entry.parts) == 1:
            self._contents.add([(bytes.fromhex(entry.sha256), entry.parts)])
        self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add a row; it waits while the open pack has no name yet."""
        self._waiting.append(entry)
        if len(self._waiting) >= ENTRIES_AT_ONCE:
            self._flush()

    def finish(self) -> tuple[tuple[ObjectRef, ...], str, tuple[ObjectRef, ...]]:
        """Store what is left; returns the index's objects, its digest and all packs."""
        self._flush()
        objects, digest = self.index.close()
        return objects, digest, tuple(self._packs[name] for name in sorted(self._packs))

    def _flush(self) -> None:
        name = self._put(bytes(self._open)) if self._open else ""
        self._contents.add([(key, (Part(name, offset, length),)) for key, (offset, length) in self._places.items()])
        for entry in self._waiting:
            if entry.size and not entry.parts:
                offset, length = self._places[bytes.fromhex(entry.sha256)]
                entry = entry._replace(parts=(Part(name, offset, length),))
            self.index.add(entry)
        self._waiting, self._places = [], {}
        self._open.clear()
        self._kept = 0

    def _put(self, content: bytes) -> str:
        ref = self._repository.put_bytes(self._codec.compress(content, asbytes=True))
        self._packs[ref.sha256] = ref
        return ref.sha256


class _Contents:
    """Content -> where it is stored, on disk: a million files' worth does not fit the memory we promise."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE contents (sha256 BLOB PRIMARY KEY, parts TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def find(self, key: bytes) -> tuple[Part, ...] | None:
        row = self._database.execute("SELECT parts FROM contents WHERE sha256 = ?", (key,)).fetchone()
        return None if row is None else tuple(Part(*part) for part in json.loads(row[0]))

    def add(self, rows: list[tuple[bytes, tuple[Part, ...]]]) -> None:
        self._database.executemany(
            "INSERT OR IGNORE INTO contents VALUES (?, ?)", [(key, json.dumps(parts)) for key, parts in rows]
        )

    def close(self) -> None:
        self._database.close()


class _Known:
    """The previous index, read alongside the walk: both are in the same order, so one row of it is enough."""

    def __init__(self, previous: FileIndex | None, repository: Repository, folder: Path, troubles: Troubles) -> None:
        self._repository = repository
        self._refs = {ref.sha256: ref for ref in previous.packs} if previous else {}
        self._there: dict[str, bool] = {}
        self._rows: Iterator[Entry] = iter(())
        self._open = ExitStack()
        if previous is not None and previous.index:
            try:
                self._rows = self._open.enter_context(open_index(previous, repository, folder)).entries()
            except DamagedRepository:
                troubles.tell("file-index-unusable", b"")
        self._row = next(self._rows, None)

    def unchanged(self, found: Found) -> Entry | None:
        """The previous row of this file, if the file is as it was and its content is still stored."""
        order = order_of(found.path)
        while self._row is not None and order_of(self._row.path) < order:
            self._row = next(self._rows, None)
        row, status = self._row, found.stat
        if (
            row is None
            or row.path != found.path
            or row.kind != "file"
            or row.inode == 0
            or (row.inode, row.size, row.mtime_ns, row.ctime_ns)
            != (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            or not all(self._is_there(part.object) for part in row.parts)
        ):
            return None
        return row

    def packs_of(self, row: Entry) -> list[ObjectRef]:
        """The packs that hold its content."""
        return [self._refs[part.object] for part in row.parts]

    def _is_there(self, name: str) -> bool:
        if name not in self._there:
            self._there[name] = self._repository.has(self._refs[name])
        return self._there[name]

    def close(self) -> None:
        """Let go of the previous index's temporary files."""
        self._open.close()


def _own_folders(repository: Repository, spool: Path) -> frozenset[tuple[int, int]]:
    """The repository's folder and the working folder: a root that holds them must not back up the backup."""
    folders = [spool] + ([repository.local_folder] if repository.local_folder is not None else [])
    return frozenset((status.st_dev, status.st_ino) for status in (folder.stat() for folder in folders))
