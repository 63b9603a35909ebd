"""Restore a file root into an empty place of a store, and check it: every object is read back and compared with the index.

A store keeps no permissions, owners or times of files. It keeps headers: those of the snapshot; where the snapshot has none (it is of an
earlier release, or of a folder), those of the live object of the same name, or else those that Django's storages give a file of that name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from edms_tasks.errors import TargetExists, TerminalError
from edms_tasks.files.exclusions import NOTHING
from edms_tasks.files.folder_check import NAMES_SHOWN, FileCheck, SeenRow, compare_with_index, in_groups
from edms_tasks.files.folder_walk import WalkedEntry
from edms_tasks.files.index import OpenedIndex, readable
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.object_headers import are_equal, headers_by_name
from edms_tasks.files.own_headers import HeadersOfPaths, headers_of
from edms_tasks.files.pack_contents import PackReader, files_by_pack, query_index
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.read_ahead import in_order
from edms_tasks.files.store_copying import on_threads
from edms_tasks.files.store_place import LONGEST_KEY, StorePlace
from edms_tasks.files.store_source import StoreSource
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.repository.backends.kept_headers import Headers
from edms_tasks.repository.backends.store_backend import PART

_FOLDERS_WITHOUT_FILES = r"""
    SELECT folder.path
    FROM (SELECT decode(path) AS path FROM read_parquet($paths) WHERE kind = 'dir' AND path <> ''::BLOB) AS folder
    ANTI JOIN (
        SELECT regexp_replace(decode(path), '/[^/]*$', '') AS path
        FROM read_parquet($paths)
        WHERE contains(decode(path), '/')
    ) AS parent ON parent.path = folder.path
    ORDER BY 1
"""
_PATHS = "SELECT path FROM read_parquet($paths) WHERE path <> ''::BLOB"
_LONGEST_SUFFIX = len(".previous-20261130T172335n10/")
"""By so much a set-aside object's key is longer than the live one's."""


_HeadersFor = Callable[[bytes], Headers]


def restore_to_store(
    index: FileIndex,
    repository: Repository,
    place: StorePlace,
    live: StorePlace,
    progress: Progress | None = None,
    *,
    scratch: Path | None = None,
) -> None:
    """Write a root's files, and folders without files, as objects of `place`; `live` has the objects that they will replace.

    Raises:
        TargetExists: there are objects already.
        TerminalError: a name cannot be a key in this store; nothing was written.
        DamagedRepository: the index or a pack is damaged; the objects written so far are incomplete.
    """
    if not place.is_empty():
        raise TargetExists(
            "The place for the restored objects has objects already.", where=place.url, fix="Run it again."
        )
    with open_index(index, repository, scratch) as opened:
        for (path,) in query_index(opened, _PATHS):
            require_possible_key(index.root.name, path, live)
        for (path,) in query_index(opened, _FOLDERS_WITHOUT_FILES):
            place.write(f"{path}/", (), {})
        write_objects(opened, repository, place, live, progress)


def write_objects(
    opened: OpenedIndex, repository: Repository, place: StorePlace, live: StorePlace, progress: Progress | None = None
) -> None:
    """Write the files of an opened index, which may be a part of one, as objects of `place`, with their headers.

    Raises:
        DamagedRepository: a pack is damaged; the objects written so far are incomplete.
    """
    meter = Meter(progress)
    with headers_of(opened.index, repository, opened.folder, opened.names) as own:
        headers = _headers_like(None if live.is_empty() else live) if own is None else _headers_of(own)
        small = _small_files(opened, PackReader(opened, repository), place, headers, meter)
        for size in on_threads(lambda file: _write(file, place, headers), small):
            meter.count(1, size)
    meter.tell()


def require_possible_key(root: str, path: bytes, live: StorePlace) -> None:
    """Check that a file of the root `root` can be an object of its store; raises TerminalError."""
    try:
        key = live.full_key(path.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _no_key(root, path, "It is not UTF-8.") from error
    if len(key.encode()) + _LONGEST_SUFFIX > LONGEST_KEY:
        raise _no_key(root, path, f"With all prefixes it has over {LONGEST_KEY} bytes.")


def check_store(
    index: FileIndex,
    repository: Repository,
    place: StorePlace,
    *,
    scratch: Path,
    progress: Progress | None = None,
    jobs: int = 2,
) -> FileCheck:
    """Read every object of the place, and compare path, kind, size, content and headers with the index."""
    with headers_of(index, repository, scratch / "headers") as own:
        others = _OtherHeaders(own)
        there = _look(place, scratch / "listed", jobs, others)
        found = compare_with_index(index, repository, there, scratch, progress, attributes=False)
    return replace(found, of_objects=True, attributes=tuple(others.names), attributes_count=others.count)


class _OtherHeaders:
    """Objects with other headers than they were given; several threads tell of them."""

    def __init__(self, own: HeadersOfPaths | None) -> None:
        self._own, self._noting = own, threading.Lock()
        self.names: list[str] = []
        self.count = 0

    def compare(self, path: bytes, found: Headers) -> None:
        """Compare an object's headers with those of the snapshot, if it has any."""
        if self._own is None or are_equal(found, _headers_of(self._own)(path)):
            return
        with self._noting:
            self.count += 1
            if len(self.names) < NAMES_SHOWN:
                self.names.append(readable(path))


class _SmallFile(NamedTuple):
    key: str
    content: bytes


def _small_files(
    opened: OpenedIndex, packs: PackReader, place: StorePlace, headers: _HeadersFor, meter: Meter
) -> Iterator[_SmallFile]:
    """The files that are written in one request each, to be written beside each other; larger ones are written here, one by one."""
    for file in files_by_pack(opened):
        key = file.path.decode()
        if file.size <= PART:
            yield _SmallFile(key, b"".join(packs.blocks(file)))
        else:
            place.write(key, packs.blocks(file), headers(file.path))
            meter.count(1, file.size)


def _write(file: _SmallFile, place: StorePlace, headers: _HeadersFor) -> int:
    place.write(file.key, (file.content,), headers(file.key.encode()))
    return len(file.content)


def _headers_of(own: HeadersOfPaths) -> _HeadersFor:
    """Those of the snapshot."""

    def headers(path: bytes) -> Headers:
        return own.get(path) or headers_by_name(path.decode())

    return headers


def _headers_like(live: StorePlace | None) -> _HeadersFor:
    """Those of the live object of that name; without one, as Django's S3 storage writes a file of that name."""

    def headers(path: bytes) -> Headers:
        if live is not None and (found := live.headers(path.decode())) is not None:
            return found
        return headers_by_name(path.decode())

    return headers


def _no_key(root: str, path: bytes, why: str) -> TerminalError:
    return TerminalError(
        "The name of a file cannot be the key of an object.",
        where=f"files of {root}: {readable(path)}",
        why=f"{why} Nothing was changed.",
        fix="Restore with --into and --into-files, which writes folders.",
    )


def _look(place: StorePlace, scratch: Path, jobs: int, headers: _OtherHeaders) -> Iterator[list[SeenRow]]:
    """The objects of a place, in groups, read and hashed."""
    others: list[SeenRow] = []

    def other(code: str, path: bytes) -> None:
        others.append((path, code, 0, "", 0, 0, 0, 0))

    with ThreadPoolExecutor(4 * jobs) as threads:
        groups = in_groups(StoreSource(place).walk(other, NOTHING, (), scratch))
        yield from in_order(
            threads, lambda group: [_looked_at(place, found, headers) for found in group], groups, ahead=8 * jobs
        )
    yield others


def _looked_at(place: StorePlace, found: WalkedEntry, others: _OtherHeaders) -> SeenRow:
    if found.kind == "dir":
        return found.path, "dir", 0, "", 0, 0, 0, 0
    try:
        size, sha256, headers = place.read_through(found.path.decode())
    except FileNotFoundError:
        return found.path, "file", 0, "gone", 0, 0, 0, 0
    others.compare(found.path, headers)
    return found.path, "file", size, sha256, 0, 0, 0, 0
