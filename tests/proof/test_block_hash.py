"""The hash of a block: equal to the specification's for any values, and different for whatever differs."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edms_tasks.manifest import Block, Encoding
from edms_tasks.proof.block_hash import differing, hash_block, hash_columns, hash_table
from tests.plain_snapshot_reader import block_hash, column_hash, table_hash

_MOMENTS = st.datetimes()
_VALUES: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), st.booleans()),
    "int16": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "int32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float": (pa.float32(), st.floats(width=32, allow_nan=False)),
    "double": (pa.float64(), st.floats(allow_nan=False)),
    "date32[day]": (pa.date32(), st.dates()),
    "timestamp[us]": (pa.timestamp("us"), _MOMENTS),
    "timestamp[us, tz=UTC]": (pa.timestamp("us", tz="UTC"), _MOMENTS),
    "string": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]))),
    "binary": (pa.binary(), st.binary()),
}


@st.composite
def _columns(draw: st.DrawFn) -> tuple[str, list[Any]]:
    kind = draw(st.sampled_from(sorted(_VALUES)))
    return kind, draw(st.lists(st.none() | _VALUES[kind][1], max_size=30))


def _one(kind: pa.DataType, values: Sequence[Any], encoding: Encoding = "native") -> bytes:
    return bytes.fromhex(hash_columns(pa.table({"v": pa.array(values, kind)}), {"v": encoding})["v"])


def _block(rows: pa.Table) -> Block:
    return Block(rows=max(rows.num_rows, 1), first=(), columns=hash_columns(rows, {}))


def _root(rows: pa.Table) -> bytes:
    return hash_block(_block(rows), rows.column_names)


@given(
    column=_columns(),
    encoding=st.sampled_from(["native", "tagged", "output"]),
    cut=st.integers(0, 30),
    before=st.integers(0, 9),
)
@settings(max_examples=300, deadline=None)
def test_the_hash_of_a_column_is_that_of_the_specification_however_arrow_holds_it(
    column: tuple[str, list[Any]], encoding: Encoding, cut: int, before: int
) -> None:
    kind, values = column
    whole = pa.array([*[None] * before, *values], _VALUES[kind][0])
    held = pa.chunked_array([whole.slice(before, cut), whole.slice(before + min(cut, len(values)))])
    found = hash_columns(pa.table({"v": held}), {"v": encoding})
    assert found == {"v": column_hash(kind, encoding, values).hex()}
    if values:
        block = Block(rows=len(values), first=(), columns=found)
        assert hash_block(block, ["v"]) == block_hash(len(values), {"v": column_hash(kind, encoding, values)})


def _text_below_a_null(valid: pa.Buffer, hidden: bytes) -> pa.Array:
    bounds = struct.pack("<4i", 0, 1, 1 + len(hidden), 2 + len(hidden))
    return pa.Array.from_buffers(pa.string(), 3, [valid, pa.py_buffer(bounds), pa.py_buffer(b"a" + hidden + b"c")])


def test_what_stands_below_a_null_does_not_count() -> None:
    valid = pa.py_buffer(b"\x05")  # the second of three is NULL
    numbers = [pa.Array.from_buffers(pa.int64(), 3, [valid, pa.py_buffer(struct.pack("<3q", 1, x, 3))]) for x in (0, 7)]
    texts = [_text_below_a_null(valid, hidden) for hidden in (b"", b"hidden")]
    bools = [pa.Array.from_buffers(pa.bool_(), 3, [valid, pa.py_buffer(bytes([x]))]) for x in (0b101, 0b11111111)]
    for one, other in (numbers, texts):
        assert hash_columns(pa.table({"v": one}), {}) == hash_columns(pa.table({"v": other}), {})
    assert hash_columns(pa.table({"v": bools[0]}), {}) == hash_columns(pa.table({"v": bools[1]}), {})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([10]), pa.array(["10"])),
        (pa.array([10], pa.int32()), pa.array([10], pa.int64())),
        (pa.array([0.0]), pa.array([-0.0])),
        (pa.array([""]), pa.array([None], pa.string())),
        (pa.array([0]), pa.array([None], pa.int64())),
        (pa.array([False]), pa.array([None], pa.bool_())),
        (pa.array(["é"]), pa.array(["e\u0301"])),
        (pa.array(["1.0"]), pa.array(["1.00"])),
        (pa.array(["ab", "c"]), pa.array(["a", "bc"])),
        (pa.array(["a"]), pa.array([b"a"])),
        (pa.array([1, 2]), pa.array([2, 1])),
        (pa.array([1]), pa.array([1, 1])),
        (pa.array([], pa.int64()), pa.array([], pa.string())),
    ],
    ids=lambda value: repr(value.to_pylist()) + str(value.type),
)
def test_values_that_differ_in_type_sign_form_or_order_have_other_hashes(one: pa.Array, other: pa.Array) -> None:
    assert hash_columns(pa.table({"v": one}), {}) != hash_columns(pa.table({"v": other}), {})


def test_the_payload_of_a_nan_counts() -> None:
    quiet, other = (np.array([bits], np.uint64).view(np.float64) for bits in (0x7FF8000000000000, 0x7FF8000000000001))
    assert math.isnan(other[0])
    assert _one(pa.float64(), quiet) != _one(pa.float64(), other)


def test_the_encoding_counts() -> None:
    assert _one(pa.string(), ["i10"], "tagged") != _one(pa.string(), ["i10"], "native")


def test_the_columns_that_differ_are_named() -> None:
    was = hash_columns(pa.table({"id": [1, 2], "title": ["a", "b"], "state": ["x", "y"]}), {})
    now = hash_columns(pa.table({"id": [1, 2], "title": ["a", "B"], "state": ["x", "y"]}), {})
    assert differing(was, now) == {"title"}
    assert differing(was, hash_columns(pa.table({"id": [1, 2], "title": ["a", "b"]}), {})) == {"state"}


def test_values_that_two_columns_exchange_are_a_difference() -> None:
    one, other, renamed = pa.table({"a": [1], "b": [2]}), pa.table({"a": [2], "b": [1]}), pa.table({"b": [1], "a": [2]})
    assert len({_root(one), _root(other), _root(renamed)}) == 3


def test_the_hash_of_a_table_is_that_of_the_specification() -> None:
    blocks = [_block(pa.table({"v": values})) for values in ([1, 2], [3])]
    roots = [block_hash(len(v), {"v": column_hash("int64", "native", v)}) for v in ([1, 2], [3])]
    assert hash_table(blocks, ["v"]) == table_hash(3, roots).hex()
    assert hash_table(blocks, ["v"]) != hash_table(blocks[::-1], ["v"])
    assert hash_table([], ["v"]) == table_hash(0, []).hex()


def test_a_type_that_no_chunk_has_is_refused() -> None:
    with pytest.raises(TypeError, match="list"):
        hash_columns(pa.table({"v": [[1]]}), {})
