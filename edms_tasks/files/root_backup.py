"""Back up a file root: list it, compare it with the previous index, and read, pack and index what is new or changed.

A file that is unchanged since the previous index is not opened; its content stays in its pack. Each content is stored once,
however many files have it.
"""

from __future__ import annotations

import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.changed_files import (
    Packed,
    PartOfFiles,
    ReadElsewhere,
    files_of,
    number_of_parts,
    read_changed,
)
from edms_tasks.files.exclusions import NOTHING, LeaveOut
from edms_tasks.files.file_sources import FileSource, FolderSource
from edms_tasks.files.folder_listing import write_listing
from edms_tasks.files.folder_walk import Troubles
from edms_tasks.files.index import ROWS_AT_ONCE, SCHEMA, digest_of, file_workspace, write_index
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.own_headers import keep_headers
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.read_ahead import Opening
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.manifest import FileIndex, ObjectRef
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.duckdb_instance import cursor_of

_Connection = duckdb.DuckDBPyConnection

# Relations of the workspace. `known` and what follows have the columns of `READ_SCHEMA`, a position in the listing first.
_LISTING, _PREVIOUS, _UNCHANGED, _READ = "listing", "previous", "unchanged", "read_now"


_COMPARE = f"""
    SELECT listing.position, previous.* EXCLUDE (path, kind)
    FROM {_LISTING} AS listing
    JOIN {_PREVIOUS} AS previous ON previous.path = listing.path
    WHERE
        listing.kind = 'file'
        AND previous.inode <> 0
        AND (listing.inode, listing.size, listing.mtime_ns, listing.ctime_ns)
            = (previous.inode, previous.size, previous.mtime_ns, previous.ctime_ns)
"""

_CHANGED = f"""
    SELECT position, path, link, size, mtime_ns, inode
    FROM {_LISTING} ANTI JOIN {_UNCHANGED} USING (position)
    WHERE kind = 'file'
    ORDER BY position
"""

_CONTENTS = f"""
    SELECT sha256, parts[1]."object" AS object, parts[1]."offset" AS "offset"
    FROM {_PREVIOUS}
    WHERE len(parts) = 1
    ORDER BY sha256
"""

_USE_OF_PACKS = """
    SELECT part."object", CAST(sum(part.length) AS BIGINT), CAST(max(part."offset" + part.length) AS BIGINT)
    FROM (SELECT DISTINCT part FROM (SELECT unnest(parts) AS part FROM previously))
    GROUP BY 1
"""

# The files of one size go to one part, unless they are more than its share.
_DEALT = f"""
    SELECT
        *,
        hash(CASE WHEN sum(size) OVER (PARTITION BY size) > {{share}} THEN position ELSE size END) % {{parts}} AS part
    FROM ({_CHANGED})
"""

_CONTENTS_OF_SIZES = f"""
    SELECT sha256, parts[1]."object" AS object, parts[1]."offset" AS "offset"
    FROM {_PREVIOUS}
    WHERE len(parts) = 1 AND parts[1].length IN ({{sizes}})
    ORDER BY sha256
"""

_LINKS = f"""
    SELECT path
    FROM {_LISTING} SEMI JOIN (SELECT position FROM {_UNCHANGED} UNION ALL SELECT position FROM {_READ}) USING (position)
    WHERE link
    ORDER BY position
"""

_PATHS_NOT_READ = f"SELECT path FROM {_LISTING} SEMI JOIN {_UNCHANGED} USING (position)"

_SET_ID = f"""
    SELECT path
    FROM {_LISTING} SEMI JOIN (SELECT position FROM {_UNCHANGED} UNION ALL SELECT position FROM {_READ}) USING (position)
    WHERE kind = 'file' AND mode & {stat.S_ISUID | stat.S_ISGID} <> 0
    ORDER BY position
"""

# A folder's row is as listed; a file's row is as read, now or by an earlier backup.
_INDEX = f"""
    SELECT
        listing.path,
        listing.kind,
        coalesce(file.size, 0) AS size,
        coalesce(file.mtime_ns, listing.mtime_ns) AS mtime_ns,
        coalesce(file.ctime_ns, listing.ctime_ns) AS ctime_ns,
        coalesce(file.inode, listing.inode) AS inode,
        coalesce(file.mode, listing.mode) AS mode,
        coalesce(file.uid, listing.uid) AS uid,
        coalesce(file.gid, listing.gid) AS gid,
        coalesce(file.sha256, '') AS sha256,
        coalesce(file.parts, []) AS parts
    FROM {_LISTING} AS listing
    LEFT JOIN (SELECT * FROM {_UNCHANGED} UNION ALL SELECT * FROM {_READ}) AS file USING (position)
    WHERE listing.kind = 'dir' OR file.position IS NOT NULL
    ORDER BY position
"""


class _KnownPacks(NamedTuple):
    """Packs of the previous index that are used again, by name, and the bytes in each."""

    packs: dict[str, ObjectRef]
    sizes: dict[str, int]


def index_files(
    root: FileRoot,
    repository: Repository,
    *,
    leave_out: LeaveOut = NOTHING,
    databases: Sequence[Path] = (),
    previous: FileIndex | None = None,
    scratch: Path,
    progress: Progress | None = None,
    jobs: int = 2,
    repack_above: int | None = None,
    source: FileSource | None = None,
    elsewhere: ReadElsewhere | None = None,
) -> tuple[FileIndex, tuple[Finding, ...]]:
    """Store a root's files; returns its index and what could not be kept as it is.

    Args:
        root: the folder.
        repository: where packs and index go.
        leave_out: what is left out by patterns.
        databases: files of live databases, which are left out: their rows are stored.
        previous: the same root's index in an earlier snapshot; what it knows unchanged is not read again.
        scratch: folder for temporary files.
        progress: told how many files have to be read, and how many are done.
        jobs: how many threads read, compress and store.
        repack_above: if more than that many percent of a pack belong to no file any more, its files are read and stored again,
            so that the pack can be pruned; None: never.
        source: where its files are; None: in the folder that the root names.
        elsewhere: has files read in parts by others; what they leave is read here. None: all files are read here.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    troubles, meter = Troubles(root.name), Meter(progress)
    source = source or FolderSource(root.path)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="files-", dir=scratch)))
        workspace = opened.enter_context(file_workspace(folder))
        ours = [*_own_folders(repository, scratch), *databases]
        found = source.walk(troubles.tell, leave_out, ours, folder)
        with ThreadPoolExecutor(1) as beside:
            listed = beside.submit(write_listing, found, folder / "listing.parquet")
            known = _know(previous, repository, folder, troubles, workspace, opened, repack_above)
            listed.result()
        _relate(workspace, _LISTING, [folder / "listing.parquet"])
        _write(workspace, _COMPARE, folder / "unchanged.parquet")
        _relate(workspace, _UNCHANGED, [folder / "unchanged.parquet"])
        ((files, size),) = workspace.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM ({_CHANGED})").fetchall()
        meter.expect(files, int(size))
        here = partial(_read_here, source.open, workspace, repository, folder, known, troubles, meter, jobs)
        read = (
            [here()]
            if elsewhere is None
            else _read_elsewhere(elsewhere, here, workspace, folder, known, troubles, meter)
        )
        _relate(workspace, _READ, [one.rows for one in read])
        packs = _KnownPacks(
            {**known.packs, **{name: ref for one in read for name, ref in one.packs.items()}},
            {**known.sizes, **{name: size for one in read for name, size in one.sizes.items()}},
        )
        index = _write_index(root, workspace, repository, folder, packs)
        if index.index:
            headers = keep_headers(source, workspace, _PATHS_NOT_READ, repository, folder, previous)
            index = index.model_copy(update={"headers": headers})
        for (path,) in _rows(workspace, _LINKS):
            troubles.tell("link-stored-as-file", path)
        for (path,) in _rows(workspace, _SET_ID):
            troubles.tell("file-set-id", path)
    meter.tell()
    return index, troubles.findings()


def _know(
    previous: FileIndex | None,
    repository: Repository,
    folder: Path,
    troubles: Troubles,
    workspace: _Connection,
    opened: ExitStack,
    repack_above: int | None,
) -> _KnownPacks:
    """Make the relation of the previous index's files in packs that are used again; returns those packs."""
    paths: tuple[Path, ...] = ()
    if previous is not None and previous.index:
        try:
            paths = opened.enter_context(open_index(previous, repository, folder)).paths
        except DamagedRepository:
            troubles.tell("file-index-unusable", b"")
    if previous is None or not paths:
        nothing = folder / "nothing.parquet"
        pq.write_table(SCHEMA.empty_table(), nothing)
        _relate(workspace, _PREVIOUS, [nothing])
        return _KnownPacks({}, {})
    _relate(workspace, "previously", paths)
    used = {name: (needed, end) for name, needed, end in workspace.execute(_USE_OF_PACKS).fetchall()}
    sizes = {name: previous.pack_bytes.get(name, end) for name, (_, end) in used.items()}
    # What is needed is what the previous snapshot needs: a file that only moved or was touched is no reason to store it again.
    unneeded = {
        name
        for name, (needed, _) in used.items()
        if repack_above is not None and (sizes[name] - needed) * 100 > sizes[name] * repack_above
    }
    there = {ref.sha256: ref for ref in previous.packs if ref.sha256 not in unneeded and repository.has(ref)}
    gone = [ref.sha256 for ref in previous.packs if ref.sha256 not in there]
    _relate(workspace, _PREVIOUS, paths, "kind = 'file'" + (f" AND NOT {_has_any(gone)}" if gone else ""))
    return _KnownPacks(there, {name: size for name, size in sizes.items() if name in there})


def _read_here(
    opening: Opening,
    workspace: _Connection,
    repository: Repository,
    folder: Path,
    known: _KnownPacks,
    troubles: Troubles,
    meter: Meter,
    jobs: int,
    left: Sequence[Sequence[int]] | None = None,
) -> Packed:
    """Read and pack what is not unchanged, or, of that, what was left by others."""
    query = _CHANGED
    if left is not None:
        positions = pa.table({"position": pa.array([one for part in left for one in part], pa.int64())})
        pq.write_table(positions, folder / "left.parquet")
        _relate(workspace, "left_by_others", [folder / "left.parquet"])
        query = f"SELECT * FROM ({_CHANGED}) SEMI JOIN left_by_others USING (position) ORDER BY position"
    return read_changed(
        opening,
        files_of(_batches(workspace, query)),
        _batches(workspace, _CONTENTS),
        known.packs,
        repository,
        folder,
        tell=troubles.tell,
        meter=meter,
        jobs=jobs,
    )


def _read_elsewhere(
    elsewhere: ReadElsewhere,
    read_left: Callable[[Sequence[Sequence[int]]], Packed],
    workspace: _Connection,
    folder: Path,
    known: _KnownPacks,
    troubles: Troubles,
    meter: Meter,
) -> list[Packed]:
    """Have parts read, and here what the others left."""
    parts = elsewhere(_in_parts(workspace, folder, known))
    for part in parts:
        meter.count(part.files, part.bytes)
        for code, path in part.troubles:
            troubles.tell(code, path)
    made = [part.packed for part in parts]
    left = [part.left for part in parts if part.left]
    return [*made, read_left(left)] if left else made


def _in_parts(workspace: _Connection, folder: Path, known: _KnownPacks) -> list[PartOfFiles]:
    ((files, size),) = workspace.execute(f"SELECT count(*), coalesce(sum(size), 0) FROM ({_CHANGED})").fetchall()
    number = number_of_parts(files, int(size))
    _write(workspace, _DEALT.format(parts=number, share=int(size) // number), folder / "dealt.parquet")
    _relate(workspace, "dealt", [folder / "dealt.parquet"])
    parts = []
    for place in range(number):
        part = PartOfFiles(
            place, number, folder / f"changed-{place}.parquet", folder / f"contents-{place}.parquet", known.packs
        )
        mine = f"SELECT * EXCLUDE (part) FROM dealt WHERE part = {place} ORDER BY position"
        _write(workspace, mine, part.changed)
        _write(
            workspace, _CONTENTS_OF_SIZES.format(sizes=f"SELECT size FROM dealt WHERE part = {place}"), part.contents
        )
        parts.append(part)
    return parts


def _write_index(
    root: FileRoot, workspace: _Connection, repository: Repository, folder: Path, known: _KnownPacks
) -> FileIndex:
    paths = write_index(_batches(workspace, _INDEX), folder)
    files, size, used = 0, 0, []
    if paths:
        _relate(workspace, "indexed", paths)
        ((files, size),) = workspace.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM indexed WHERE kind = 'file'"
        ).fetchall()
        used = workspace.execute(
            """SELECT DISTINCT part."object" FROM (SELECT unnest(parts) AS part FROM indexed) ORDER BY 1"""
        ).fetchall()
    return FileIndex(
        root=root,
        files=files,
        bytes=size,
        digest=digest_of(paths, workspace),
        index=tuple(repository.put_file(path, keep_copy=True) for path in paths),
        packs=tuple(known.packs[name] for (name,) in used),
        pack_bytes={name: known.sizes[name] for (name,) in used},
    )


def _relate(workspace: _Connection, name: str, paths: Sequence[Path], where: str = "true") -> None:
    files = ", ".join(literal(str(path)) for path in paths)
    workspace.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}]) WHERE {where}")


def _write(workspace: _Connection, query: str, into: Path) -> None:
    workspace.execute(f"COPY ({query}) TO {literal(str(into))} (FORMAT parquet, COMPRESSION lz4)")


def _batches(workspace: _Connection, query: str) -> Iterator[pa.RecordBatch]:
    with cursor_of(workspace) as cursor:
        yield from cursor.sql(query).to_arrow_reader(ROWS_AT_ONCE)


def _rows(workspace: _Connection, query: str) -> Iterator[tuple]:  # type: ignore[type-arg]
    for batch in _batches(workspace, query):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _has_any(names: Sequence[str]) -> str:
    """Whether a row's content is in one of these packs."""
    packs = ", ".join(literal(name) for name in names)
    return f"""list_has_any([part."object" FOR part IN parts], [{packs}])"""


def _own_folders(repository: Repository, scratch: Path) -> list[Path]:
    """The repository's folder and the working folder: a root that holds them must not back up the backup."""
    return [scratch] + ([repository.local_folder] if repository.local_folder is not None else [])
