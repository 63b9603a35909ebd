"""Salvage a folder of files: the intact pieces of its index, and their files with intact content.

What is left becomes an index of its own, complete and checked like any other, so that the rest of a restore need not know
of the damage. Folders whose rows are lost, but not all their files, are made up: the files need them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.index import ROWS_AT_ONCE, SCHEMA, OpenedIndex, file_workspace, readable
from edms_tasks.files.index_fetch import folders_of, open_index
from edms_tasks.files.pack_check import NAMES_SHOWN, assess_contents
from edms_tasks.files.progress import Meter, Progress
from edms_tasks.files.stored_index import stored_index
from edms_tasks.manifest import FileIndex
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.salvage.losses import FilesLoss, LostObject
from edms_tasks.salvage.read_objects import read_through
from edms_tasks.scratch.parquet_reading import reading
from edms_tasks.scratch.workspace import Workspace

_NOTHING = f"{0:032x}"
_PRIVATE = 0o700

# A file is lost with any of the packs it stands in, or with its content.
_IS_LOST = "(list_has_any([part.\"object\" FOR part IN parts], $packs) OR (kind = 'file' AND list_contains($contents, sha256)))"


@dataclass(frozen=True)
class SalvagedFiles:
    """The intact part of a folder of files."""

    index: FileIndex
    loss: FilesLoss | None
    lost: Path | None = None  # Parquet: path, size and sha256 of each lost file whose name is known
    present: Path | None = None  # Parquet: path of each file that is left; only if names of other files are lost


def survey_files(
    index: FileIndex,
    repository: Repository,
    folder: Path,
    *,
    made_up_at_ns: int,
    progress: Progress | None = None,
    jobs: int = 2,
) -> SalvagedFiles:
    """Read the index and every pack of a root, and store an index of what is left in `repository`.

    Args:
        index: the snapshot's index of the folder.
        repository: a repository with an overlay (`Repository.with_overlay`); the new index goes there.
        folder: folder for temporary files and for `SalvagedFiles.lost`; created.
        made_up_at_ns: the times of folders that are made up, in nanoseconds since 1970.
        progress: called with the number of files done since the last call.
        jobs: number of packs to read at a time.
    """
    folder.mkdir(parents=True)
    pieces, lost = _fetch_pieces(index, repository, folder)
    left, made_up = index, 0
    try:
        if lost:
            bridge = _Bridge(made_up_at_ns)
            left = stored_index(index, bridge.over(pieces), repository, folder / "pieces-left")
            made_up = bridge.made_up
            if left.files > index.files or left.bytes > index.bytes:
                raise DamagedRepository("", why="its pieces hold more files than the snapshot says")
        with open_index(left, repository, folder) as opened:
            return _assessed(index, opened, repository, folder, tuple(lost), made_up, progress, jobs)
    except DamagedRepository as error:
        # No row of such an index can be trusted to be the snapshot's.
        nothing = index.model_copy(
            update={"files": 0, "bytes": 0, "digest": _NOTHING, "index": (), "packs": (), "headers": None}
        )
        loss = FilesLoss(
            index.root.name, index.files, 0, 0, (), tuple(lost), (), why=f"its index is damaged: {error.why}"
        )
        return SalvagedFiles(nothing, loss, *_listed(folder, ()))


def _assessed(
    index: FileIndex,
    opened: OpenedIndex,
    repository: Repository,
    folder: Path,
    pieces: tuple[LostObject, ...],
    made_up: int,
    progress: Progress | None,
    jobs: int,
) -> SalvagedFiles:
    meter = Meter(progress)
    assessed = assess_contents(opened, repository, meter=meter, jobs=jobs)
    meter.tell()
    packs, headers = {name: error.why for name, error in assessed.damaged.items()}, index.headers
    for ref in assessed.unread:
        try:
            repository.check(ref)
        except DamagedRepository as error:
            packs[ref.sha256] = error.why
    for ref in index.headers or ():
        try:
            repository.check(ref)
        except DamagedRepository as error:
            packs[ref.sha256] = f"content types and metadata of objects: {error.why}"
            headers = None
    if not (pieces or packs or assessed.wrong):
        return SalvagedFiles(index, None)
    left = opened.index
    blame = {"packs": list(packs), "contents": sorted(assessed.wrong)}
    lost, present = _listed(folder, opened.paths, blame)
    named, examples = _first(lost)
    if packs or assessed.wrong:
        with opened.workspace() as connection:
            kept = _kept(connection, opened.paths, blame)
            left = stored_index(opened.index, kept, repository, folder / "files-left")
            left = left.model_copy(
                update={"packs": tuple(ref for ref in left.packs if ref.sha256 not in packs), "headers": headers}
            )
        with open_index(left, repository, folder):
            pass  # what was written is read and checked as any index is
    loss = FilesLoss(
        root=index.root.name,
        files=index.files,
        kept=left.files,
        named=named,
        examples=examples,
        pieces=pieces,
        packs=tuple(LostObject(name, why) for name, why in packs.items()),
        wrong=len(assessed.wrong),
        bare_folders=made_up,
    )
    return SalvagedFiles(left, loss, lost, present if pieces else None)


def _kept(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], blame: Mapping[str, object]
) -> Iterator[pa.RecordBatch]:
    if paths:
        query = f"SELECT * FROM read_parquet($paths) WHERE NOT {_IS_LOST}"
        names = {"paths": [str(path) for path in paths], **blame}
        yield from connection.sql(query, params=names).to_arrow_reader(ROWS_AT_ONCE)


def write_lost_files(workspace: Workspace, lost: Mapping[str, Path], path: Path) -> int:
    """Write the names of all lost files to one CSV file; returns their number."""
    queries = [
        f"SELECT {literal(root)} AS folder, CAST(to_json([coalesce(try(decode(path)), CAST(path AS VARCHAR))]) AS VARCHAR) "
        f"AS path, size AS bytes, sha256 FROM read_parquet({literal(str(listed))})"
        for root, listed in lost.items()
    ]
    with workspace.cursor() as cursor:
        query = " UNION ALL ".join(queries)
        cursor.execute(
            f"COPY (SELECT * FROM ({query}) ORDER BY folder, path) TO {literal(str(path))} (FORMAT csv, HEADER)"
        )
        ((count,),) = cursor.execute(f"SELECT count(*) FROM ({query})").fetchall()
    return int(count)


def _listed(folder: Path, paths: Sequence[Path], blame: Mapping[str, object] | None = None) -> tuple[Path, Path]:
    """Write two Parquet files: the lost files, and those that are left."""
    lost, present = folder / "lost.parquet", folder / "present.parquet"
    empty = "(SELECT ''::BLOB AS path, 0::BIGINT AS size, '' AS sha256, 'dir' AS kind, [{'object': ''}] AS parts WHERE false)"
    source = "read_parquet($paths)" if paths else empty
    names: dict[str, object] = {"paths": [str(path) for path in paths]} if paths else {}
    names |= blame or {"packs": [], "contents": []}
    with file_workspace(folder) as connection:
        for into, condition in ((lost, _IS_LOST), (present, f"kind = 'file' AND NOT {_IS_LOST}")):
            query = f"SELECT path, size, sha256 FROM {source} WHERE {condition}"
            connection.execute(f"COPY ({query}) TO {literal(str(into))} (FORMAT parquet)", names)
    return lost, present


def _first(lost: Path) -> tuple[int, tuple[str, ...]]:
    """The number of files in a list, and the first few names."""
    with reading() as connection:
        source = f"read_parquet({literal(str(lost))})"
        ((count,),) = connection.execute(f"SELECT count(*) FROM {source}").fetchall()
        first = connection.execute(f"SELECT path FROM {source} ORDER BY path LIMIT {NAMES_SHOWN}").fetchall()
    return int(count), tuple(readable(path) for (path,) in first)


def _fetch_pieces(index: FileIndex, repository: Repository, folder: Path) -> tuple[list[Path | None], list[LostObject]]:
    """The pieces of an index, None for lost ones, and why these are lost."""
    pieces: list[Path | None] = []
    lost: list[LostObject] = []
    for number, ref in enumerate(index.index):
        path = folder / f"piece-{number:06d}.parquet"
        problem = read_through(repository, ref, path, SCHEMA)
        lost += [problem] if problem is not None else []
        pieces.append(path if problem is None else None)
    return pieces, lost


class _Bridge:
    """The rows of the pieces that are left, with the folders from the gaps between them that they need.

    Rows are in depth-first order. So a folder in a gap that contains any row after the gap contains the first one.
    """

    def __init__(self, at_ns: int) -> None:
        self.made_up = 0
        self._at_ns = at_ns

    def over(self, pieces: Sequence[Path | None]) -> Iterator[pa.RecordBatch]:
        """The rows of the pieces in order, with the folders that are missing because of a gap (None) before them."""
        known: list[bytes] = []  # the folders above the last row, and itself if it is a folder
        gap = False
        for piece in pieces:
            if piece is None:
                gap = True
                continue
            with pq.ParquetFile(piece, memory_map=False) as file:
                for rows in file.iter_batches(ROWS_AT_ONCE):
                    if not rows.num_rows:
                        continue
                    if gap:
                        yield from self._folders(rows.slice(0, 1).to_pylist()[0], known)
                        gap = False
                    known = folders_of(rows["path"][-1].as_py(), is_folder=rows["kind"][-1].as_py() == "dir")
                    yield rows

    def _folders(self, first: dict[str, object], known: Sequence[bytes]) -> Iterator[pa.RecordBatch]:
        path = first["path"]
        assert isinstance(path, bytes)  # the schema was compared with the index's
        missing = [folder for folder in folders_of(path, is_folder=False) if folder not in known]
        self.made_up += len(missing)
        made = {"kind": "dir", "size": 0, "mtime_ns": self._at_ns, "ctime_ns": self._at_ns, "inode": 0}
        made |= {"mode": _PRIVATE, "uid": first["uid"], "gid": first["gid"], "sha256": "", "parts": []}
        if missing:
            yield pa.RecordBatch.from_pylist([{"path": folder, **made} for folder in missing], schema=SCHEMA)
