"""The files of a root in an S3-compatible store: its objects below a prefix, as files in folders.

A listing tells of each object its size, time and ETag: together they tell whether it is unchanged since the last backup, unless it had just
been written then. What may have changed is read, and hashed as it is read. Nothing is written there.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from edms_tasks.errors import RepositoryForbidden
from edms_tasks.files.exclusions import LeaveOut
from edms_tasks.files.folder_walk import Tell, WalkedEntry
from edms_tasks.files.index import ROWS_AT_ONCE, file_workspace
from edms_tasks.files.live_stores import MAY_WRITE
from edms_tasks.files.object_headers import has_others
from edms_tasks.files.own_headers import HeadersOfPaths, can_be_kept
from edms_tasks.files.read_ahead import FileFailed, FileToRead
from edms_tasks.files.store_copying import on_threads
from edms_tasks.files.store_place import StorePlace, client_for, nanoseconds, place_at, tag_of
from edms_tasks.inventory.model import FileRoot
from edms_tasks.quoting import literal
from edms_tasks.repository.backends.kept_headers import Headers
from edms_tasks.repository.backends.s3_files import ReadObject
from edms_tasks.repository.backends.store_backend import PART
from edms_tasks.scratch.duckdb_instance import cursor_of

# A key as a path: its parts, and why it cannot be one. Some tools make an empty object with a "/" at its end for each folder.
_KEYS = """
    CREATE VIEW keys AS
    SELECT
        *,
        ends_with(key, '/') AS is_folder,
        string_split(rtrim_one(key), '/') AS parts,
        list_bool_or([part IN ('', '.', '..') OR octet_length(encode(part)) > 255 FOR part IN string_split(rtrim_one(key), '/')])
            OR contains(key, chr(0)) OR (ends_with(key, '/') AND size > 0) AS is_wrong
    FROM found
"""
_FOLDERS = """
    CREATE TABLE folders AS
    SELECT path, max(mtime_ns) AS mtime_ns
    FROM (
        SELECT
            unnest([array_to_string(parts[1:depth], '/') FOR depth IN range(1, len(parts) + CAST(is_folder AS INTEGER))]) AS path,
            mtime_ns
        FROM keys
        WHERE NOT is_wrong
        UNION ALL
        SELECT '', coalesce(max(mtime_ns), 0) FROM found
    )
    GROUP BY path
"""
_ENTRIES = """
    SELECT encode(path), kind, size, mtime_ns, tag
    FROM (
        SELECT path, 'dir' AS kind, 0 AS size, mtime_ns, 0 AS tag FROM folders
        UNION ALL
        SELECT key, 'file', size, mtime_ns, tag
        FROM keys
        WHERE NOT is_wrong AND NOT is_folder AND key NOT IN (SELECT path FROM folders) AND key <> {ours}
    )
    ORDER BY encode(replace(path, '/', chr(0)))
"""
_WRONG = """
    SELECT encode(key) FROM keys WHERE is_wrong OR (NOT is_folder AND key IN (SELECT path FROM folders)) ORDER BY key
"""


# Stores tell whole seconds, some rounded up: an object that is written again so soon may have other headers and the same time and ETag.
_YOUNG_NS = 2_000_000_000


class ObjectStatus(NamedTuple):
    """What stands for a file's status. The number of the inode is made of the ETag, so other content is another file."""

    st_size: int
    st_mtime_ns: int
    st_ino: int
    st_ctime_ns: int = 0
    st_mode: int = stat.S_IFREG | 0o644
    st_uid: int = os.getuid()
    st_gid: int = os.getgid()
    st_dev: int = 0


class StoreSource:
    """The objects below a prefix."""

    def __init__(self, place: StorePlace) -> None:
        self._place = place
        self._tell: Tell = lambda code, path: None
        self._telling = threading.Lock()
        self._notes = Path()
        self._noted: HeadersOfPaths | None = None

    def walk(self, tell: Tell, leave_out: LeaveOut, ours: Sequence[Path], scratch: Path) -> Iterator[WalkedEntry]:
        """The objects as files, and the folders that their names make.

        Raises:
            RepositoryUnreachable, RepositoryForbidden, SettingsError: it cannot be listed. Then there is no backup, rather than one
                without files.
        """
        self._tell = tell
        scratch.mkdir(parents=True, exist_ok=True)
        self._notes = scratch / "noted-headers.sqlite3"
        listed = scratch / "store.parquet"
        self._place.list_into(listed)
        with file_workspace(scratch / "store") as workspace:
            workspace.execute(
                "CREATE MACRO rtrim_one(key) AS CASE WHEN ends_with(key, '/') THEN left(key, -1) ELSE key END"
            )
            workspace.execute(f"CREATE VIEW found AS SELECT * FROM read_parquet({literal(str(listed))})")
            workspace.execute(_KEYS)
            workspace.execute(_FOLDERS)
            with cursor_of(workspace) as cursor:
                for batch in cursor.sql(_WRONG).to_arrow_reader(ROWS_AT_ONCE):
                    for key in batch.columns[0].to_pylist():
                        tell("object-not-a-file", key)
            without: bytes | None = None
            with cursor_of(workspace) as cursor:
                for batch in cursor.sql(_ENTRIES.format(ours=literal(MAY_WRITE))).to_arrow_reader(ROWS_AT_ONCE):
                    for path, kind, size, mtime_ns, tag in zip(
                        *(one.to_pylist() for one in batch.columns), strict=True
                    ):
                        if without is not None and path.startswith(without):
                            continue
                        if path and leave_out.excludes(path):
                            tell("file-excluded", path)
                            without = path + b"/" if kind == "dir" else without
                        elif kind == "file" and leave_out.is_of_a_running_program(path, size):
                            tell("file-of-a-running-program", path)
                        else:
                            mode = stat.S_IFDIR | 0o755 if kind == "dir" else stat.S_IFREG | 0o644
                            yield WalkedEntry(path, kind, ObjectStatus(size, mtime_ns, tag, st_mode=mode))

    def open(self, file: FileToRead) -> _OpenedObject:
        """An object, to be read."""
        return _OpenedObject(self._place, file, self._note_headers)

    def noted_headers(self) -> HeadersOfPaths:
        """Those of the objects that were read since they were listed."""
        with self._telling:
            if self._noted is None:
                self._noted = HeadersOfPaths(self._notes)
            return self._noted

    def ask_headers(self, paths: Iterator[bytes]) -> Iterator[tuple[bytes, Headers]]:
        """Ask for the headers of objects, a request for each; those that the names say are left out."""

        def ask(path: bytes) -> tuple[bytes, Headers | None]:
            return path, self._place.headers(path.decode("utf-8"))

        for path, headers in on_threads(ask, paths):
            if headers is None:
                continue
            if not can_be_kept(headers):
                self._tell("object-headers-not-kept", path)
            elif has_others(path.decode("utf-8"), headers):
                yield path, headers

    def _note_headers(self, path: bytes, found: ReadObject) -> None:
        """Note what an object's name does not say, and tell of what cannot be kept. Objects are read by several threads."""
        kept = can_be_kept(found.headers)
        is_own = kept and has_others(path.decode("utf-8"), found.headers)
        self.noted_headers().note(path, found.headers if is_own else None)
        if found.has_more or not kept:
            with self._telling:
                self._tell("object-headers-not-kept", path)

    def is_readable(self, path: bytes) -> bool:
        """Not asked: that would be a request for each object."""
        return True


class _OpenedObject:
    """An object, read from its beginning; all of it is of one version, by its ETag."""

    settled = True

    def __init__(self, place: StorePlace, file: FileToRead, note: Callable[[bytes, ReadObject], None]) -> None:
        self._place, self._file, self._note = place, file, note
        self._key = file.path.decode("utf-8")

    def __enter__(self) -> _OpenedObject:
        self._first = self._piece(0, "")
        listed = (self._first.total, tag_of(self._first.etag)) == (self._file.size, self._file.inode)
        # The times of a listing and of an answer differ by parts of a second, so that of the listing is kept where it is the same object.
        mtime = self._file.mtime_ns if listed else nanoseconds(self._first.modified)
        self.status = ObjectStatus(self._first.total, mtime, tag_of(self._first.etag))
        self.settled = listed and nanoseconds(self._first.answered) - mtime > _YOUNG_NS
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def blocks(self) -> Iterator[bytes]:
        """The object's bytes."""
        self._note(self._file.path, self._first)
        at, piece = 0, self._first
        while piece.data:
            yield piece.data
            at += len(piece.data)
            if at >= self.status.st_size:
                return
            piece = self._piece(at, self._first.etag)

    def changed(self, size: int) -> bool:
        """Whether less was read than there is; other bytes cannot be."""
        return size != self.status.st_size

    def _piece(self, at: int, etag: str) -> ReadObject:
        try:
            return self._place.piece(self._key, etag, at, PART)
        except FileNotFoundError as error:
            raise FileFailed("file-vanished") from error
        except RepositoryForbidden as error:
            raise FileFailed("file-unreadable") from error


def open_store_source(root: FileRoot, options: Mapping[str, SecretStr]) -> StoreSource:
    """The source for a root's address; the store is not asked yet. Raises SettingsError if the address or an option is not valid."""
    return StoreSource(place_at(client_for(options, root.path, root.name), root.path, root.name))
