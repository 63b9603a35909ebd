"""Compare the rows of a block with those that are stored, so that only rows that are new or changed are stored again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.proof.row_order import order_by

_MOST_CHUNKS = 8


@dataclass(frozen=True)
class BlockChanges:
    """How a block changed.

    Args:
        superseded: for each chunk the numbers of rows that were changed or deleted since the chunk was written.
        new: numbers of the block's rows that no chunk has.
    """

    superseded: tuple[npt.NDArray[np.int32], ...]
    new: npt.NDArray[np.int64]


def changes(
    rows: pa.Table,
    stored: Sequence[tuple[pa.Table, npt.NDArray[np.int32]]],
    totals: Sequence[int],
    names: Sequence[str],
    *,
    same_keys: bool,
) -> BlockChanges | None:
    """The changes of a block whose hashes changed; None if it should be stored anew, because little of it is left, it is in many
    pieces, or no change is found.

    Args:
        rows: the block's rows now, with the columns that may have changed and those of the key.
        stored: for each of its chunks the rows that counted until now, with their numbers in the chunk, in the same columns.
        totals: for each chunk the number of all its rows.
        names: the columns of the key, in the order of which the block's rows stand.
        same_keys: whether all rows have the keys that the stored ones have, so that none is new or gone.
    """
    if len(stored) >= _MOST_CHUNKS:
        return None
    then = pa.concat_tables([table for table, _ in stored])
    chunk = np.repeat(np.arange(len(stored), dtype=np.int32), [table.num_rows for table, _ in stored])
    number = np.concatenate([numbers for _, numbers in stored])
    if same_keys:
        here = np.arange(rows.num_rows)
        there = here if len(stored) == 1 else order_by(then, names)
    else:
        here, there = _same_keys(rows, then, names)
    equal = _equal_rows(rows.take(pa.array(here)), then.take(pa.array(there)))
    kept = there[equal]
    superseded = []
    for place, total in enumerate(totals):
        live = number[kept][chunk[kept] == place]
        if len(live) * 2 < total:
            return None
        superseded.append(np.setdiff1d(np.arange(total, dtype=np.int32), live))
    new = np.setdiff1d(np.arange(rows.num_rows), here[equal])
    if not len(new) and len(kept) == then.num_rows:
        return None  # its hashes are others, so something did change
    return BlockChanges(tuple(superseded), new)


def _same_keys(
    rows: pa.Table, then: pa.Table, names: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The numbers of the rows of both sides that have the same key."""
    sides = []
    for table, place in ((rows, "here"), (then, "there")):
        columns = {str(column): table[name] for column, name in enumerate(names)}
        sides.append(pa.table({**columns, place: pa.array(np.arange(table.num_rows))}))
    found = sides[0].join(
        sides[1], keys=[str(column) for column in range(len(names))], join_type="inner", use_threads=False
    )
    return found["here"].to_numpy(), found["there"].to_numpy()


def _equal_rows(one: pa.Table, other: pa.Table) -> npt.NDArray[np.bool_]:
    """For each row whether all values are equal, bit by bit."""
    equal = np.ones(one.num_rows, dtype=bool)
    for name in one.column_names:
        left, right = _bits(one[name]), _bits(other[name])
        same = pc.fill_null(pc.equal(left, right), False)
        both = pc.and_(left.is_null(), right.is_null())
        equal &= pc.or_(same, both).to_numpy(zero_copy_only=False).astype(bool)
    return equal


def _bits(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as integers of the same bits: 0.0 is not -0.0, and a NaN equals itself."""
    if pa.types.is_float64(values.type):
        return pa.chunked_array([chunk.view(pa.int64()) for chunk in values.chunks], pa.int64())
    if pa.types.is_float32(values.type):
        return pa.chunked_array([chunk.view(pa.int32()) for chunk in values.chunks], pa.int32())
    return values
