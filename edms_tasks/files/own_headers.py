"""Headers of objects that their names do not say: noted while objects are read, stored beside the index, and looked up by a restore.

A million objects may have them, so they are in a file and never all in memory.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.index import ROWS_AT_ONCE, unsound
from edms_tasks.manifest import FileIndex, ObjectRef
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.repository.backends.kept_headers import KEPT, Headers, is_storable
from edms_tasks.scratch.bounded_parquet import require_bounded
from edms_tasks.scratch.duckdb_instance import cursor_of

if TYPE_CHECKING:
    from edms_tasks.files.file_sources import FileSource

_SCHEMA = pa.schema([pa.field("path", pa.binary(), nullable=False), pa.field("headers", pa.string(), nullable=False)])
_TABLE = "CREATE TABLE headers (path BLOB PRIMARY KEY, headers TEXT NOT NULL) WITHOUT ROWID"
_LONGEST = 16_384


class HeadersOfPaths:
    """Headers by path, on disk; several threads may use it."""

    def __init__(self, path: Path) -> None:
        self._using = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute(_TABLE)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def note(self, path: bytes, headers: Headers | None) -> None:
        """Note an object's headers, in the place of earlier ones; None: its name says them."""
        with self._using:
            if headers is None:
                self._connection.execute("DELETE FROM headers WHERE path = ?", (path,))
            else:
                self._fill([(path, as_text(headers))])

    def fill(self, rows: Sequence[tuple[bytes, str]]) -> None:
        """Note many."""
        with self._using:
            self._connection.execute("BEGIN")
            self._fill(rows)
            self._connection.execute("COMMIT")

    def get(self, path: bytes) -> Headers | None:
        """The headers of an object; None if its name says them."""
        with self._using:
            found = self._connection.execute("SELECT headers FROM headers WHERE path = ?", (path,)).fetchone()
        return json.loads(found[0]) if found is not None else None

    def rows(self) -> Iterator[tuple[bytes, str]]:
        """All of them."""
        yield from self._connection.execute("SELECT path, headers FROM headers ORDER BY path")

    def _fill(self, rows: Sequence[tuple[bytes, str]]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO headers VALUES (?, ?)", rows)


def as_text(headers: Headers) -> str:
    """Headers as they are stored."""
    return json.dumps(headers, sort_keys=True)


def keep_headers(
    source: FileSource,
    workspace: duckdb.DuckDBPyConnection,
    unchanged: str,
    repository: Repository,
    folder: Path,
    previous: FileIndex | None,
) -> tuple[ObjectRef, ...] | None:
    """Store the headers of a root's objects that their names do not say; None for files of a folder, which have none.

    Args:
        source: where the files are.
        workspace: has the relation `indexed`, the rows of the new index.
        unchanged: a query for the paths of files that were not read now.
        repository: takes them.
        folder: for temporary files.
        previous: the root's index in an earlier snapshot. If that has no headers, the store is asked for those of each unchanged
            object, once.
    """
    if (noted := source.noted_headers()) is None:
        return None
    with closing(noted):
        return _keep(noted, source, workspace, unchanged, repository, folder, previous)


def _keep(
    noted: HeadersOfPaths,
    source: FileSource,
    workspace: duckdb.DuckDBPyConnection,
    unchanged: str,
    repository: Repository,
    folder: Path,
    previous: FileIndex | None,
) -> tuple[ObjectRef, ...]:
    earlier = _earlier(previous, repository, folder)
    if earlier is None and previous is not None:
        for rows in _grouped(
            (path, as_text(found)) for path, found in source.ask_headers(_paths(workspace, unchanged))
        ):
            noted.fill(rows)
    noted_now = folder / "noted.parquet"
    _write(noted.rows(), noted_now)
    query = f"SELECT path, headers FROM read_parquet({literal(str(noted_now))}) SEMI JOIN indexed USING (path)"
    if earlier:
        files = ", ".join(literal(str(path)) for path in earlier)
        query += f" UNION ALL SELECT path, headers FROM read_parquet([{files}]) SEMI JOIN ({unchanged}) USING (path)"
    kept = folder / "headers.parquet"
    with cursor_of(workspace) as cursor:
        batches = cursor.sql(f"SELECT path, headers FROM ({query}) ORDER BY path").to_arrow_reader(ROWS_AT_ONCE)
        count = 0
        with pq.ParquetWriter(kept, _SCHEMA, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch.cast(_SCHEMA))
                count += batch.num_rows
    return (repository.put_file(kept, keep_copy=True),) if count else ()


@contextmanager
def headers_of(
    index: FileIndex, repository: Repository, folder: Path, names: Mapping[bytes, bytes] | None = None
) -> Iterator[HeadersOfPaths | None]:
    """The headers that a snapshot has of a root's objects; None if it was made without them.

    Args:
        index: of the root.
        repository: of the snapshot.
        folder: for temporary files; created.
        names: path in the index -> another path, to look them up by; those of all other paths are left out.

    Raises:
        DamagedRepository: an object is missing or altered, or a row is not one that a backup writes.
    """
    if index.headers is None:
        yield None
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "own-headers.sqlite3"
    path.unlink(missing_ok=True)
    with closing(HeadersOfPaths(path)) as found:
        for fetched in fetch_headers(index, repository, folder):
            for rows in _rows_of(fetched, index.root.name):
                found.fill([(names[path], text) for path, text in rows if path in names] if names is not None else rows)
        yield found


def fetch_headers(index: FileIndex, repository: Repository, folder: Path) -> Iterator[Path]:
    """Fetch the objects with a root's headers, one after the other. Raises DamagedRepository."""
    for number, ref in enumerate(index.headers or ()):
        yield _fetched(ref, repository, folder / f"headers-{number:06d}.parquet")


def check_headers(index: FileIndex, repository: Repository, folder: Path) -> list[Path]:
    """Fetch and read all of a root's headers; returns the fetched files. Raises DamagedRepository."""
    paths = list(fetch_headers(index, repository, folder))
    for path in paths:
        _read_through(path, index)
    return paths


def header_problems(index: FileIndex, repository: Repository, folder: Path) -> tuple[DamagedRepository, ...]:
    """Fetch and read all of a root's headers; returns what is wrong with each object that has them."""
    problems = []
    for number, ref in enumerate(index.headers or ()):
        try:
            _read_through(_fetched(ref, repository, folder / f"headers-{number:06d}.parquet"), index)
        except DamagedRepository as error:
            problems.append(DamagedRepository(error.what, where=ref.sha256, why=error.why))
    return tuple(problems)


def can_be_kept(headers: Headers) -> bool:
    """Whether a backup keeps an object's headers: a restore writes them, and they are not longer than it accepts."""
    return is_storable(headers) and len(as_text(headers)) <= _LONGEST


def _fetched(ref: ObjectRef, repository: Repository, path: Path) -> Path:
    repository.fetch(ref, path)
    require_bounded(path, rows=None, name=ref.sha256)
    return path


def _read_through(path: Path, index: FileIndex) -> None:
    for _ in _rows_of(path, index.root.name):
        pass


def _earlier(previous: FileIndex | None, repository: Repository, folder: Path) -> list[Path] | None:
    """The headers in the previous snapshot; None if it has none, or they cannot be read."""
    if previous is None or previous.headers is None:
        return None
    try:
        return check_headers(previous, repository, folder)
    except DamagedRepository:
        return None


def _rows_of(path: Path, root: str) -> Iterator[list[tuple[bytes, str]]]:
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            if not file.schema_arrow.equals(_SCHEMA):
                raise unsound(root, "the columns of its headers are not those that a backup writes")
            for batch in file.iter_batches(ROWS_AT_ONCE):
                rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
                if not all(_is_sound(text) for _, text in rows):
                    raise unsound(root, "headers of an object are none that a backup writes")
                yield rows
    except (pa.ArrowException, OSError) as error:
        raise unsound(root, str(error).splitlines()[0][:200]) from error


def _is_sound(text: str) -> bool:
    try:
        headers = json.loads(text) if len(text) <= _LONGEST else None
    except (ValueError, RecursionError):
        return False
    return isinstance(headers, dict) and headers.keys() <= set(KEPT) and is_storable(headers)


def _paths(workspace: duckdb.DuckDBPyConnection, query: str) -> Iterator[bytes]:
    with cursor_of(workspace) as cursor:
        for batch in cursor.sql(query).to_arrow_reader(ROWS_AT_ONCE):
            yield from batch.column("path").to_pylist()


def _write(rows: Iterator[tuple[bytes, str]], into: Path) -> None:
    with pq.ParquetWriter(into, _SCHEMA, compression="lz4") as writer:
        for group in _grouped(rows):
            writer.write_batch(_batch(group))


def _grouped(rows: Iterator[tuple[bytes, str]]) -> Iterator[list[tuple[bytes, str]]]:
    while group := list(itertools.islice(rows, ROWS_AT_ONCE)):
        yield group


def _batch(rows: Sequence[tuple[bytes, str]]) -> pa.RecordBatch:
    paths, texts = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays([pa.array(paths, pa.binary()), pa.array(texts, pa.string())], schema=_SCHEMA)
