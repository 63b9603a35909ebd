"""A changed block: rows that are stored already are kept, whatever changed, and what is kept and new together is the block."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from edms_tasks.incremental.block_changes import changes

_FLOATS = [0.0, -0.0, float("nan"), struct.unpack("<d", struct.pack("<Q", 0x7FF8000000000001))[0], 1.5, None]
_ROWS = st.dictionaries(
    st.tuples(st.integers(0, 20), st.sampled_from(["", "a", "é"])),
    st.tuples(st.sampled_from(["", "x", None]), st.sampled_from(range(len(_FLOATS)))),
    min_size=1,
)


def _table(rows: dict[tuple[int, str], tuple[str | None, int]]) -> pa.Table:
    held = sorted((number, name.encode(), text, value) for (number, name), (text, value) in rows.items())
    bits = [None if value == 5 else struct.unpack("<Q", struct.pack("<d", _FLOATS[value]))[0] for *_, value in held]
    floats = pa.array(bits, pa.uint64()).view(pa.float64())
    return pa.table(
        {
            "number": pa.array([one[0] for one in held], pa.int64()),
            "name": [one[1].decode() for one in held],
            "text": pa.array([one[2] for one in held], pa.string()),
            "value": floats,
        }
    )


def _bits(table: pa.Table) -> list[tuple[Any, ...]]:
    columns = [table.column(name).combine_chunks() for name in table.column_names]
    columns[3] = columns[3].view(pa.uint64())
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


@given(first=_ROWS, second=_ROWS, third=_ROWS, aligned=st.booleans())
@settings(max_examples=200, deadline=None)
def test_kept_and_new_rows_are_the_block(first: Any, second: Any, third: Any, aligned: bool) -> None:
    chunks = [_table(first)]
    gone: list[np.ndarray[Any, Any]] = [np.zeros(0, np.int32)]
    for rows in (
        first | {key: row for key, row in second.items() if key in first},
        first | second,
        {**second, **third},
    ):
        block = _table(rows)
        stored = []
        for chunk, dead in zip(chunks, gone, strict=True):
            live = np.setdiff1d(np.arange(chunk.num_rows, dtype=np.int32), dead)
            stored.append((chunk.take(pa.array(live)), live))
        keys = [row[:2] for part, _ in stored for row in _bits(part)]
        same_keys = sorted(keys) == sorted(row[:2] for row in _bits(block))
        found = changes(
            block, stored, [chunk.num_rows for chunk in chunks], ["number", "name"], same_keys=same_keys and aligned
        )
        if sorted(map(repr, _bits(block))) == sorted(repr(row) for part, _ in stored for row in _bits(part)):
            assert found is None  # nobody asks of a block whose hashes are equal
            continue
        if found is None:  # stored anew
            assert any(2 * len(set(_bits(chunk)) & set(_bits(block))) < chunk.num_rows for chunk in chunks)
            chunks, gone = [block], [np.zeros(0, np.int32)]
            continue
        kept = [
            row
            for chunk, dead in zip(chunks, found.superseded, strict=True)
            for place, row in enumerate(_bits(chunk))
            if place not in set(dead.tolist())
        ]
        new = _bits(block.take(pa.array(found.new)))
        assert sorted(map(repr, [*kept, *new])) == sorted(map(repr, _bits(block)))
        assert not set(new) & {row for part, _ in stored for row in _bits(part)}
        gone = list(found.superseded)
        if new:
            chunks.append(block.take(pa.array(found.new)))
            gone.append(np.zeros(0, np.int32))


def test_a_block_in_many_pieces_is_stored_anew() -> None:
    pieces = [(pa.table({"id": [n]}), np.zeros(1, np.int32)) for n in range(8)]
    block = pa.table({"id": list(range(8))})

    assert changes(block, pieces, [1] * 8, ["id"], same_keys=True) is None
    seven = changes(block, pieces[:7], [1] * 7, ["id"], same_keys=False)
    assert seven is not None and seven.new.tolist() == [7]


def test_a_block_with_other_hashes_in_which_nothing_seems_changed_is_stored_anew() -> None:
    """Otherwise its chunks would all be known, and the verification after the backup would not read them."""
    block = pa.table({"id": [1, 2]})

    assert changes(block, [(block, np.arange(2, dtype=np.int32))], [2], ["id"], same_keys=True) is None
