"""Read contents of files from their packs: each pack once, each content verified against the index.

Packs come from a repository that is not trusted: their size is checked before they are read, their SHA-256 before they
are unpacked, and unpacking stops at the largest size a pack may have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.index import LARGEST_PACK_OBJECT, PACK_BYTES, OpenedIndex, PackPart, readable
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository

_ROWS_AT_ONCE = 4096


class StoredFile(NamedTuple):
    """The columns of a file's index row that are needed to restore it."""

    path: bytes
    size: int
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    sha256: str
    parts: tuple[PackPart, ...]


def files_by_pack(opened: OpenedIndex) -> Iterator[StoredFile]:
    """All files, ordered so that those of one pack follow each other; files of several packs come last."""
    query = """
        SELECT path, size, mtime_ns, mode, uid, gid, sha256, parts
        FROM read_parquet($paths)
        WHERE kind = 'file'
        ORDER BY
            len(parts) > 1,
            parts[1]."object",
            parts[1]."offset"
    """
    yield from map(_stored_file, query_index(opened, query))


def files_of_several_packs(opened: OpenedIndex) -> Iterator[StoredFile]:
    """The files that are larger than a pack."""
    query = """
        SELECT path, size, mtime_ns, mode, uid, gid, sha256, parts
        FROM read_parquet($paths)
        WHERE kind = 'file' AND len(parts) > 1
    """
    yield from map(_stored_file, query_index(opened, query))


def _stored_file(row: tuple) -> StoredFile:  # type: ignore[type-arg]
    return StoredFile._make((*row[:-1], tuple(PackPart(**part) for part in row[-1])))


def query_index(opened: OpenedIndex, query: str, **parameters: object) -> Iterator[tuple]:  # type: ignore[type-arg]
    """Rows of a query over the index's Parquet files (`$paths`), a few thousand at a time, out of core."""
    if not opened.paths:
        return
    with opened.workspace() as connection:
        result = connection.execute(query, {"paths": [str(path) for path in opened.paths], **parameters})
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            yield from rows


class PackReader:
    """Reads contents of files. It keeps the last pack unpacked, and remembers damaged packs."""

    def __init__(self, opened: OpenedIndex, repository: Repository) -> None:
        self._repository = repository
        self._refs = {ref.sha256: ref for ref in opened.index.packs}
        self._root = opened.index.root.name
        self._name = ""
        self._content = memoryview(b"")
        self.damaged: dict[str, DamagedRepository] = {}  # pack -> what is wrong with it

    def blocks(self, file: StoredFile) -> Iterator[memoryview]:
        """The content of a file in blocks.

        Raises:
            DamagedRepository: the pack or the content is damaged; raised after the last block at the latest.
        """
        digest = hashlib.sha256()
        for part in file.parts:
            block = self._unpacked(part.object)[part.offset : part.offset + part.length]
            if len(block) != part.length:
                raise self._damaged(file, "its pack is shorter than the index says")
            digest.update(block)
            yield block
        if digest.hexdigest() != file.sha256:
            raise self._damaged(file, "its content does not have the SHA-256 in the index")

    def _unpacked(self, name: str) -> memoryview:
        if name in self.damaged:
            raise self.damaged[name]
        if name != self._name:
            self._name, self._content = "", memoryview(b"")
            try:
                self._content = memoryview(unpack(self._repository, self._refs[name]))
            except DamagedRepository as error:
                self.damaged[name] = error
                raise
            self._name = name
        return self._content

    def _damaged(self, file: StoredFile, why: str) -> DamagedRepository:
        return DamagedRepository(
            "A file of the snapshot is damaged.",
            where=f"files of {self._root}: {readable(file.path)}",
            why=why,
            fix="Restore another snapshot.",
        )


def unpack(repository: Repository, ref: ObjectRef) -> bytes:
    """The unpacked content of a pack.

    Raises:
        DamagedRepository: the pack is damaged, or larger than a backup writes.
    """
    if ref.size > LARGEST_PACK_OBJECT:
        raise _no_pack(ref, f"It has {ref.size} bytes.")
    try:
        with pa.CompressedInputStream(pa.BufferReader(repository.read(ref)), "zstd") as stream:
            content: bytes = stream.read(PACK_BYTES + 1)
    except OSError as error:
        raise _no_pack(ref, str(error)) from error
    if len(content) > PACK_BYTES:
        raise _no_pack(ref, f"It unpacks to more than {PACK_BYTES} bytes.")
    return content


def _no_pack(ref: ObjectRef, why: str) -> DamagedRepository:
    return DamagedRepository(
        "An object should be a pack of files and is not.",
        where=f"object {ref.sha256}",
        why=why,
        fix="Restore another snapshot.",
    )
