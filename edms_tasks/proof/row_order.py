"""Put a stream of rows into the order of their key, whatever their width and number.

Rows that ascend already are passed on. Others are distributed over files, each for a range of keys, and every file is sorted in memory.
A database sorts faster by pointers to rows, but it holds 2,048 rows at once, and a row can have megabytes.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.proof.row_key import ascends, comparable_column, key_of_row, rows_before
from edms_tasks.scratch.raw_table import RawTable

IN_MEMORY = 8 << 20
"""The bytes of rows that are sorted in memory at once."""

_MOST_PARTS = 400  # each is an open file
_KEYS_AT_ONCE = 65_536
_SAMPLE = 1 << 20


class NotInOrder(Exception):
    """The keys of rows do not ascend strictly: they are in another order, repeat, or have NULLs."""


def is_ascending(raw: RawTable, names: Sequence[str]) -> bool:
    """Whether the rows were read in the order of their key; only its columns are read."""
    try:
        for _ in ascending(_keys(raw, names), names):
            pass
    except NotInOrder:
        return False
    return True


def ascending(rows: Iterable[pa.Table], names: Sequence[str]) -> Iterator[pa.Table]:
    """The same rows; raises NotInOrder at the first key that is not greater than the one before it."""
    last: pa.Table | None = None
    for table in rows:
        if not table.num_rows:
            continue
        keys = table.select(list(names))
        if not ascends(keys if last is None else pa.concat_tables([last, keys]), names):
            raise NotInOrder
        last = keys.slice(keys.num_rows - 1)
        yield table


def in_order(
    rows: Iterable[pa.Table], schema: pa.Schema, names: Sequence[str], boundaries: pa.Table | None, folder: Path
) -> Iterator[pa.Table]:
    """The rows by the values of the columns `names`, ascending; rows with equal values in any order, NULLs first.

    Args:
        rows: the rows, in any order.
        schema: of the rows.
        names: the columns to order by.
        boundaries: keys that divide the rows into parts of about `IN_MEMORY` bytes, ascending; None: they fit into memory.
        folder: for temporary files; created, and removed again.
    """
    if boundaries is None or not boundaries.num_rows:
        together = pa.concat_tables([schema.empty_table(), *rows])
        yield together if ascends(together, names) else by_columns(together, names)
        return
    folder.mkdir(parents=True)
    paths = [folder / f"{number:05d}.arrow" for number in range(boundaries.num_rows + 1)]
    writers = [pa.ipc.new_file(str(path), schema) for path in paths]
    try:
        for table in rows:
            for writer, part in zip(writers, _divided(table, boundaries, names), strict=True):
                if part.num_rows:
                    writer.write_table(part)
    finally:
        for writer in writers:
            writer.close()
    for path in paths:
        with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
            table = reader.read_all()
        path.unlink()
        if table.num_rows:
            yield table if ascends(table, names) else by_columns(table, names)
    shutil.rmtree(folder)


def boundaries_of(raw: RawTable, names: Sequence[str]) -> pa.Table | None:
    """Keys that divide raw rows into parts of about `IN_MEMORY` bytes; None if one part is enough."""
    parts = number_of_parts(raw)
    if parts < 2:
        return None
    every = max(1, raw.rows // _SAMPLE)
    taken = []
    for keys in _keys(raw, names):
        taken.append(keys.take(pa.array(np.arange(0, keys.num_rows, every))))
    sample = by_columns(pa.concat_tables(taken), names)
    places = np.linspace(0, sample.num_rows, parts + 1, dtype=np.int64)[1:-1]
    return sample.take(pa.array(np.unique(places)))


def _keys(raw: RawTable, names: Sequence[str]) -> Iterator[pa.Table]:
    """The columns `names` of raw rows, some rows at a time."""
    for path in raw.files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_KEYS_AT_ONCE, columns=list(names)):
                yield pa.Table.from_batches([batch]).select(list(names))


def number_of_parts(raw: RawTable) -> int:
    """How many parts raw rows are sorted in."""
    return min(_MOST_PARTS, -(-raw.bytes // IN_MEMORY))


def by_columns(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """The rows in memory by the values of these columns, ascending."""
    return rows.take(pa.array(order_by(rows, names)))


def order_by(rows: pa.Table, names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The numbers of the rows in the order of the values of these columns."""
    keys = pa.table({str(place): comparable_column(rows[name]) for place, name in enumerate(names)})
    places = pc.sort_indices(keys, sort_keys=[(name, "ascending", "at_start") for name in keys.column_names])
    found: npt.NDArray[np.uint64] = places.to_numpy(zero_copy_only=False)
    return found


def _divided(table: pa.Table, boundaries: pa.Table, names: Sequence[str]) -> Iterator[pa.Table]:
    """The parts of a table between the boundaries; a row that equals a boundary stands behind it."""
    if ascends(table, names):  # most tables are nearly in order: then nothing is copied
        ends = [rows_before(table, names, key_of_row(boundaries, names, row)) for row in range(boundaries.num_rows)]
        yield from (table.slice(start, end - start) for start, end in itertools.pairwise([0, *ends, table.num_rows]))
        return
    count = table.num_rows
    keys = table.select(list(names))
    together = pa.concat_tables([boundaries.select(list(names)).cast(keys.schema), keys])
    order = order_by(together, names)
    is_row = order >= boundaries.num_rows
    rows = table.take(pa.array(order[is_row] - boundaries.num_rows))
    cuts = np.flatnonzero(~is_row) - np.arange(boundaries.num_rows)
    start = 0
    for end in [*cuts.tolist(), count]:
        yield rows.slice(start, end - start)
        start = end
