"""Compare folders of files by path: kind, size and SHA-256. Of a live folder, only files that may have changed are read."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.comparing.comparison_result import CHANGES, PathDifference, RootDifference
from edms_tasks.files.exclusions import NOTHING, LeaveOut
from edms_tasks.files.folder_listing import batch_of, write_listing
from edms_tasks.files.folder_walk import Tell, Troubles, walk
from edms_tasks.files.index import SCHEMA, file_workspace, readable
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.read_ahead import FileFailed, FileToRead, OpenFile, in_order
from edms_tasks.manifest import FileIndex
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository

_ROWS_AT_ONCE = 4096
_READ = pa.schema([("path", pa.binary()), ("size", pa.int64()), ("sha256", pa.string())])
# All else that a walk meets is in no snapshot either.
_TROUBLES = {
    "file-root-missing": "The folder does not exist.",
    "folder-unreadable": "Folders could not be listed. Their files count as removed.",
    "file-unreadable": "Files could not be read and were not compared.",
    "file-vanished": "Files were removed during the comparison.",
    "link-to-folder": "Links to folders are never in a snapshot and were not compared. A restore removes them.",
    "link-dangling": "Dangling links are never in a snapshot and were not compared. A restore removes them.",
    "file-special": "Sockets, pipes and devices are never in a snapshot and were not compared. A restore removes them.",
}


@dataclass(frozen=True)
class LiveFolder:
    """A folder of the EDMS as it is now."""

    path: Path
    leave_out: LeaveOut = NOTHING  # what a backup leaves out
    ours: Sequence[Path] = ()  # what `walk` leaves out: the backup's own folders, and the database's file
    jobs: int = 2


Held = FileIndex | LiveFolder | None
"""A folder's files: in a snapshot, in the live system, or none."""


def compare_root(
    name: str,
    first: FileIndex | None,
    second: Held,
    repository: Repository,
    *,
    limit: int,
    out: Path | None,
    scratch: Path,
    progress: Progress | None = None,
) -> tuple[RootDifference, tuple[str, ...]]:
    """Compare one folder of files; returns what differs, and notes.

    Args:
        name: the root's.
        first: its files in a snapshot.
        second: in another one, or now.
        repository: where snapshots are.
        limit: how many paths of each kind come with the result.
        out: a file to which all that differ are written as JSON, one a line.
        scratch: folder for temporary files.
        progress: told how many files have to be read, and how many are done.

    Raises:
        DamagedRepository: an index is missing or altered.
    """
    troubles = Troubles(name)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="compare-files-", dir=scratch)))
        connection = opened.enter_context(file_workspace(folder))
        _relate(connection, "before", _paths(first, repository, folder, opened))
        if isinstance(second, LiveFolder):
            _relate_live(connection, second, folder, troubles.tell, Meter(progress))
        else:
            _relate(connection, "after", _paths(second, repository, folder, opened))
        differing = folder / "differing.parquet"
        connection.execute(f"COPY ({_DIFFERING}) TO {literal(str(differing))} (FORMAT parquet)")
        found = _result(connection, name, f"read_parquet({literal(str(differing))})", limit)
        if out is not None and found.differences:
            connection.execute(
                f"COPY (SELECT * REPLACE (coalesce(try(decode(path)), CAST(path AS VARCHAR)) AS path) "
                f"FROM read_parquet({literal(str(differing))}) ORDER BY path) TO {literal(str(out))} (FORMAT json)"
            )
    notes = [
        f"files of {name}: {_TROUBLES[one.code]} ({one.count:,}: {', '.join(one.examples)})"
        for one in troubles.findings()
    ]
    return found, tuple(notes)


_DIFFERING = """
    SELECT
        CASE WHEN after.path IS NULL THEN 'removed' WHEN before.path IS NULL THEN 'added' ELSE 'changed' END AS change,
        coalesce(before.path, after.path) AS path,
        before.kind AS kind_before, after.kind AS kind_after,
        before.size AS size_before, after.size AS size_after,
        nullif(before.sha256, '') AS sha256_before, nullif(after.sha256, '') AS sha256_after,
        coalesce(after.unread, false) AS unread
    FROM before FULL JOIN after ON before.path = after.path
    WHERE
        (before.kind, before.size, before.sha256) IS DISTINCT FROM (after.kind, after.size, after.sha256)
        OR coalesce(after.unread, false)
"""


def _paths(index: FileIndex | None, repository: Repository, folder: Path, opened: ExitStack) -> Sequence[Path]:
    if index is not None and index.index:
        return opened.enter_context(open_index(index, repository, folder)).paths
    nothing = folder / "nothing.parquet"
    pq.write_table(SCHEMA.empty_table(), nothing)
    return [nothing]


def _relate(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    files = ", ".join(literal(str(path)) for path in paths)
    connection.execute(
        f"CREATE VIEW {name} AS SELECT *, false AS unread FROM read_parquet([{files}]) WHERE path <> ''::BLOB"
    )


def _relate_live(
    connection: duckdb.DuckDBPyConnection, live: LiveFolder, folder: Path, tell: Tell, meter: Meter
) -> None:
    """Make the relation of a folder as it is now: as in the snapshot if nothing suggests a change, else as read.

    What the snapshot does not have, or has in another size, is not read: that it differs is known.
    """
    listing, read = folder / "listing.parquet", folder / "read.parquet"

    def told(code: str, path: bytes) -> None:
        if code in _TROUBLES:
            tell(code, path)

    root = os.fsencode(live.path)
    write_listing(walk(root, told, leave_out=live.leave_out, ours=live.ours), listing)
    connection.execute(
        f"CREATE VIEW listing AS SELECT * FROM read_parquet({literal(str(listing))}) WHERE path <> ''::BLOB"
    )
    connection.execute(
        """
        CREATE VIEW held AS
        SELECT
            listing.*, before.sha256,
            before.inode <> 0 AND (listing.inode, listing.mtime_ns, listing.ctime_ns)
                = (before.inode, before.mtime_ns, before.ctime_ns) AS untouched
        FROM listing JOIN before ON before.path = listing.path AND before.kind = 'file' AND before.size = listing.size
        WHERE listing.kind = 'file'
        """
    )
    counted = connection.execute("SELECT count(*), coalesce(sum(size), 0) FROM held WHERE NOT untouched").fetchall()
    meter.expect(*(int(number) for number in counted[0]))
    wanted = connection.execute("SELECT position, path, link, size FROM held WHERE NOT untouched ORDER BY position")
    with pq.ParquetWriter(read, _READ) as writer:
        for rows in _read_again(root, wanted, live.jobs, told, meter):
            writer.write_batch(batch_of(rows, _READ))
    meter.tell()
    connection.execute(
        f"""
        CREATE VIEW after AS
        SELECT
            listing.path, listing.kind,
            coalesce(read.size, listing.size) AS size,
            CASE
                WHEN listing.kind = 'dir' THEN '' WHEN held.untouched THEN held.sha256 ELSE read.sha256
            END AS sha256,
            coalesce(NOT held.untouched AND read.sha256 IS NULL, false) AS unread
        FROM listing
            LEFT JOIN held ON held.path = listing.path
            LEFT JOIN read_parquet({literal(str(read))}) read ON read.path = listing.path
        """
    )


def _read_again(
    root: bytes, wanted: duckdb.DuckDBPyConnection, jobs: int, tell: Tell, meter: Meter
) -> Iterator[list[tuple[object, ...]]]:
    def hashed(file: FileToRead) -> tuple[FileToRead, int | None, str]:
        try:
            with OpenFile(root, file) as reading:
                digest, size = hashlib.sha256(), 0
                for block in reading.blocks():
                    digest.update(block)
                    size += len(block)
        except FileFailed as failed:
            return file, None, str(failed)
        return file, size, digest.hexdigest()

    def files() -> Iterator[FileToRead]:
        while rows := wanted.fetchmany(_ROWS_AT_ONCE):
            yield from (FileToRead(*row) for row in rows)

    found: list[tuple[object, ...]] = []
    with ThreadPoolExecutor(jobs) as threads:
        for file, size, told in in_order(threads, hashed, files(), ahead=4 * jobs):
            meter.count(1, file.size)
            if size is None:
                tell(told, file.path)
            else:
                found.append((file.path, size, told))
            if len(found) == _ROWS_AT_ONCE:
                yield found
                found = []
    if found:
        yield found


def _result(connection: duckdb.DuckDBPyConnection, name: str, differing: str, limit: int) -> RootDifference:
    files = {
        side: int(connection.execute(f"SELECT count(*) FROM {side} WHERE kind = 'file'").fetchall()[0][0])
        for side in ("before", "after")
    }
    counts = connection.execute(
        f"""
        SELECT
            count(*) FILTER (change = 'added' AND NOT folder), count(*) FILTER (change = 'removed' AND NOT folder),
            count(*) FILTER (change = 'changed' AND NOT unread), count(*) FILTER (unread),
            count(*) FILTER (change = 'added' AND folder), count(*) FILTER (change = 'removed' AND folder),
            count(*) FILTER (change <> 'added' AND kind_before = 'file')
        FROM (SELECT *, coalesce(kind_before, 'dir') = 'dir' AND coalesce(kind_after, 'dir') = 'dir' AS folder FROM {differing})
        """
    ).fetchall()[0]
    added, removed, changed, unread, folders_added, folders_removed, gone = (int(count) for count in counts)
    order = ", ".join(map(literal, CHANGES))
    paths = connection.execute(
        f"SELECT change, path, kind_before, kind_after, size_before, size_after FROM {differing} "
        f"QUALIFY row_number() OVER (PARTITION BY change ORDER BY path) <= {int(limit)} "
        f"ORDER BY list_position([{order}], change), path"
    ).fetchall()
    return RootDifference(
        root=name,
        first_files=files["before"],
        second_files=files["after"],
        added=added,
        removed=removed,
        changed=changed,
        same=files["before"] - gone,
        unread=unread,
        folders_added=folders_added,
        folders_removed=folders_removed,
        paths=tuple(
            PathDifference.model_validate(
                {
                    "change": change,
                    "path": readable(bytes(path)),
                    "first_kind": kind_before,
                    "second_kind": kind_after,
                    "first_size": size_before,
                    "second_size": size_after,
                }
            )
            for change, path, kind_before, kind_after, size_before, size_after in paths
        ),
    )
