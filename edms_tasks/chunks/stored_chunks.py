"""Read the chunks of a table from the repository: verified, without superseded rows, and in the order of their blocks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.errors import DamagedRepository
from edms_tasks.manifest import Chunk, TableEntry
from edms_tasks.proof.row_order import by_columns
from edms_tasks.repository import Repository
from edms_tasks.scratch.bounded_parquet import require_bounded


def fetch_chunks(repository: Repository, entry: TableEntry, folder: Path) -> list[Path]:
    """Fetch a table's rows into `folder` (created), in files of about 8 MB; raises DamagedRepository.

    In format 2 there is a file for each block, and rows stand in the order of their key; in format 1 a file for each chunk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if entry.blocks is None:
        return [
            _fetched_file(repository, chunk, folder / f"{number:06d}.parquet")
            for number, chunk in enumerate(entry.chunks)
        ]
    paths = []
    for number, chunks in enumerate(entry.chunks_by_block()):
        path = folder / f"{number:06d}.parquet"
        if len(chunks) == 1:
            _fetched_file(repository, chunks[0], path)
        else:
            rows = block_rows(repository, chunks, entry.ordered_by or (), folder)
            pq.write_table(rows, path, row_group_size=max(1024, rows.num_rows // 4), compression="none")
        paths.append(path)
    return paths


def block_rows(repository: Repository, chunks: Sequence[Chunk], ordered_by: Sequence[str], folder: Path) -> pa.Table:
    """The rows of a block of format 2, in their order; raises DamagedRepository. `folder` is for temporary files; created."""
    folder.mkdir(parents=True, exist_ok=True)
    return together([chunk_rows(repository, chunk, folder)[0] for chunk in chunks], chunks, ordered_by)


def together(tables: Sequence[pa.Table], chunks: Sequence[Chunk], ordered_by: Sequence[str]) -> pa.Table:
    """The rows of a block from those of its chunks (`tables`), in their order; raises DamagedRepository if they do not match."""
    if len(tables) == 1:
        return tables[0]
    schemas = {table.schema for table in tables}
    if not ordered_by or len(schemas) > 1 or not set(ordered_by) <= set(tables[0].schema.names):
        raise DamagedRepository(
            "The chunks of a block do not match.",
            where=chunks[0].object.sha256,
            why="They have other columns, or rows that have no order.",
            fix="Use another snapshot: `edms-backup verify` shows which are undamaged.",
        )
    return by_columns(pa.concat_tables(tables), ordered_by)


def chunk_rows(
    repository: Repository, chunk: Chunk, folder: Path, columns: Sequence[str] | None = None
) -> tuple[pa.Table, npt.NDArray[np.int32]]:
    """The rows of a chunk that are not superseded, and their numbers in it; raises DamagedRepository. `columns`: only these."""
    path = folder / "chunk.parquet"
    _fetch(repository, chunk, path)
    found = live_rows(repository, chunk, path, columns)
    path.unlink()
    return found


def live_rows(
    repository: Repository, chunk: Chunk, path: Path, columns: Sequence[str] | None = None
) -> tuple[pa.Table, npt.NDArray[np.int32]]:
    """The same of a chunk whose object was fetched to `path`."""
    rows = _read(path, chunk.object.sha256, columns)
    live = np.arange(rows.num_rows, dtype=np.int32)
    if chunk.superseded is not None:
        live = live[_kept(repository, chunk, path.with_suffix(".superseded"))]
        rows = rows.take(pa.array(live))
    return rows, live


def leave_out(path: Path, gone: Path, chunk: Chunk) -> None:
    """Rewrite a fetched chunk without its superseded rows. Raises DamagedRepository if the row numbers are not valid."""
    rows = _read(path, chunk.object.sha256)
    pq.write_table(rows.filter(pa.array(_without(gone, chunk))), path, compression="none")


def _fetched_file(repository: Repository, chunk: Chunk, path: Path) -> Path:
    _fetch(repository, chunk, path)
    if chunk.superseded is not None:
        keep = _kept(repository, chunk, path.with_suffix(".superseded"))
        pq.write_table(_read(path, chunk.object.sha256).filter(pa.array(keep)), path, compression="none")
    return path


def _fetch(repository: Repository, chunk: Chunk, path: Path) -> None:
    repository.fetch(chunk.object, path)
    require_bounded(path, rows=chunk.rows, name=chunk.object.sha256)


def _kept(repository: Repository, chunk: Chunk, gone: Path) -> npt.NDArray[np.bool_]:
    """For each row of a chunk whether it is not superseded."""
    assert chunk.superseded is not None
    repository.fetch(chunk.superseded, gone)
    require_bounded(gone, rows=chunk.superseded_rows, name=chunk.superseded.sha256)
    keep = _without(gone, chunk)
    gone.unlink()
    return keep


def _without(gone: Path, chunk: Chunk) -> npt.NDArray[np.bool_]:
    try:
        with pq.ParquetFile(gone) as file:
            numbers = file.read()["row"].to_numpy()
        keep = np.ones(chunk.rows, dtype=bool)
        keep[numbers] = False
        if int(np.count_nonzero(~keep)) != chunk.superseded_rows or (numbers < 0).any():
            raise ValueError(f"{chunk.superseded_rows} rows are superseded, the object names {len(numbers)}")
    except (pa.ArrowException, OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise DamagedRepository(
            "The list of superseded rows does not match its chunk.",
            where=chunk.object.sha256,
            why=str(error),
            fix="Use another snapshot: `edms-backup verify` shows which are undamaged.",
        ) from error
    return keep


def _read(path: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            return file.read(columns) if columns is None else file.read(list(columns)).select(list(columns))
    except (pa.ArrowException, OSError) as error:
        raise DamagedRepository(
            "A chunk cannot be read.",
            where=name,
            why=str(error).splitlines()[0][:200],
            fix="Use another snapshot: `edms-backup verify` shows which are undamaged.",
        ) from error
