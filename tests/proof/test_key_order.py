"""The order of the key: whatever order rows were read in, their blocks are the same."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edms_tasks.inventory.model import Column, Table
from edms_tasks.manifest import Encoding, TableEntry, TableState
from edms_tasks.proof import row_order
from edms_tasks.proof.block_cuts import Piece, cut_at_keys
from edms_tasks.proof.block_hash import hash_table
from edms_tasks.proof.order_choice import choose_order
from edms_tasks.proof.row_key import as_texts, from_texts, key_of_row
from edms_tasks.proof.row_order import NotInOrder
from edms_tasks.proof.row_streams import rows_by_key, rows_by_text
from edms_tasks.proof.table_proof import Measurement, cut_anew, measure, ordering_of, own_columns, types_of
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, open_workspace

_MOMENT = datetime.datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC)
_KEYS = {
    "number": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "text": (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=4)),
    "bytes": (pa.binary(), st.binary(max_size=3)),
    "moment": (pa.timestamp("us", tz="UTC"), st.datetimes()),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with open_workspace(tmp_path_factory.mktemp("workspace"), memory_limit_mb=256, threads=2) as opened:
        yield opened


def _table(rows: pa.Table, primary_key: Sequence[str]) -> Table:
    columns = [
        Column(name=name, native_type="", logical_type="other", nullable=True, generated=False)
        for name in rows.column_names
    ]
    return Table(id="t", schema_name=None, name="t", columns=tuple(columns), primary_key=tuple(primary_key))


def _read(folder: Path, rows: pa.Table, files: int = 1) -> RawTable:
    """The rows as an extraction writes them, in several files."""
    each = -(-rows.num_rows // files) or 1
    paths = []
    for number, start in enumerate(range(0, rows.num_rows, each)):
        paths.append(folder / f"{random.getrandbits(64):x}-{number}.parquet")
        pq.write_table(rows.slice(start, each), paths[-1], compression="none")
    return RawTable("t", rows.num_rows, {}, tuple(paths))


def _entry(workspace: Workspace, raw: RawTable, rows: pa.Table, primary_key: Sequence[str]) -> TableEntry:
    """The rows as a snapshot that is made of them has them."""
    table = _table(rows, primary_key)
    ordered_by = ordering_of(table, raw, workspace)
    blocks = tuple(block for _, block in cut_anew(table, raw, ordered_by, workspace))
    return TableEntry(
        table=table,
        natural_key=None,
        encodings={},
        state=TableState(rows=rows.num_rows, proof=hash_table(blocks, own_columns(table))),
        chunks=(),
        blocks=blocks,
        ordered_by=ordered_by,
        types=types_of(rows.schema),
    )


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of seven rows, and rows sorted in files of a few hundred bytes."""
    monkeypatch.setattr("edms_tasks.proof.table_proof.BLOCK_ROWS", 7)
    monkeypatch.setattr(row_order, "IN_MEMORY", 600)


@pytest.mark.usefixtures("small_blocks")
@given(data=st.data(), kinds=st.lists(st.sampled_from(sorted(_KEYS)), min_size=1, max_size=2))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_in_any_order_have_the_same_proof_which_is_in_the_order_of_the_key(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, kinds: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("raw")
    keys = data.draw(st.lists(st.tuples(*(_KEYS[kind][1] for kind in kinds)), unique=True, min_size=1, max_size=40))
    expected = sorted(keys, key=lambda key: [v.encode() if isinstance(v, str) else v for v in key])
    names = [f"k{n}" for n in range(len(kinds))]
    entry: TableEntry | None = None
    for order in (expected, keys, expected[::-1]):
        columns = {
            name: pa.array([key[n] for key in order], _KEYS[kind][0])
            for n, (name, kind) in enumerate(zip(names, kinds, strict=True))
        }
        rows = pa.table({"of": [repr(key) for key in order], **columns})
        raw = _read(folder, rows, files=data.draw(st.integers(1, 3)))
        made = list(rows_by_key(raw, names, workspace.scratch("order")))
        assert [text for table in made for text in table["of"].to_pylist()] == [repr(key) for key in expected]
        here = _entry(workspace, raw, rows, names)
        entry = entry or here
        assert here == entry
        assert measure(entry, raw, workspace) == Measurement(entry.state.proof)


@pytest.mark.usefixtures("small_blocks")
@given(
    rows=st.lists(
        st.tuples(st.none() | st.integers(0, 2), st.sampled_from(["", "a", None]), st.sampled_from([0.0, -0.0, 1.5])),
        min_size=1, max_size=25,
    ),
    seed=st.randoms(use_true_random=False),
    key=st.sampled_from([(), ("a",)]),
)  # fmt: skip
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_without_a_key_of_their_own_have_one_proof_and_each_counts(
    workspace: Workspace,
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[Any, ...]],
    seed: random.Random,
    key: tuple[str, ...],
) -> None:
    folder = tmp_path_factory.mktemp("raw")

    def read(order: Sequence[tuple[Any, ...]]) -> tuple[RawTable, pa.Table]:
        columns = zip(("a", "b", "c"), (pa.int64(), pa.string(), pa.float64()), zip(*order, strict=True), strict=True)
        table = pa.table({name: pa.array(values, kind) for name, kind, values in columns})
        return _read(folder, table), table

    entry = _entry(workspace, *read(rows), key)
    assert measure(entry, read(seed.sample(rows, len(rows)))[0], workspace) == Measurement(entry.state.proof)
    assert measure(entry, read([*rows, rows[-1]])[0], workspace).proof != entry.state.proof


@given(
    before=st.sets(st.integers(0, 200), min_size=1),
    added=st.sets(st.integers(-50, 250), max_size=3),
    gone=st.sets(st.integers(0, 200), max_size=3),
    at_once=st.integers(1, 40),
)
@settings(max_examples=80, deadline=None)
def test_with_the_cuts_of_before_only_blocks_with_a_change_are_other_blocks(
    before: set[int], added: set[int], gone: set[int], at_once: int
) -> None:
    def made(ids: set[int], cuts: Sequence[tuple[int | bytes, ...]]) -> list[Piece]:
        rows = pa.table({"id": pa.array(sorted(ids), pa.int64()), "v": [str(i) for i in sorted(ids)]})
        tables = (rows.slice(start, at_once) for start in range(0, len(ids), at_once))
        return list(cut_at_keys(tables, ["id"], cuts, rows=10))

    old = made(before, ())
    cuts = [key_of_row(piece.rows, ["id"], 0) for piece in old][1:]
    after = (before | added) - gone
    new = made(after, cuts)
    assert [i for piece in new for i in piece.rows["id"].to_pylist()] == sorted(after)
    assert all(piece.rows.num_rows <= 10 for piece in new)
    for piece in new:
        in_range = [i for i in sorted(after) if sum(cut <= (i,) for cut in cuts) == piece.place]
        assert (piece.rows["id"].to_pylist() == in_range) == piece.whole
    changed = {sum(cut <= (i,) for cut in cuts) for i in before ^ after}
    untouched = {piece.place: piece.rows for piece in new if piece.whole and piece.place not in changed}
    assert untouched == {n: piece.rows for n, piece in enumerate(old) if n not in changed}


def test_a_block_ends_with_the_bytes_that_it_may_have() -> None:
    rows = pa.table({"id": list(range(100)), "text": ["x" * 10_000] * 100})
    for at_once in (1, 3, 100):
        tables = (rows.slice(start, at_once) for start in range(0, 100, at_once))
        sizes = [piece.rows.num_rows for piece in cut_at_keys(tables, ["id"], (), size=100_000)]
        assert sum(sizes) == 100 and max(sizes) <= 11 and len(sizes) <= 11, (at_once, sizes)


def test_rows_of_a_table_without_rows(workspace: Workspace) -> None:
    rows = pa.table({"id": pa.array([], pa.int64())})
    raw = RawTable("t", 0, {}, ())
    entry = _entry(workspace, raw, rows, ["id"])
    assert entry.blocks == ()
    assert measure(entry, raw, workspace) == Measurement(entry.state.proof)


@pytest.mark.parametrize("kind", _KEYS)
def test_a_key_is_written_as_text_and_read_again(kind: str) -> None:
    values = {"number": [-(2**63), 7], "text": ["", "é"], "bytes": [b"", b"\xff"], "moment": [_MOMENT, _MOMENT]}[kind]
    rows = pa.table({"k": pa.array(values, _KEYS[kind][0])})
    for row in range(2):
        key = key_of_row(rows, ["k"], row)
        assert from_texts(as_texts(key, [rows.schema.field("k").type]), [rows.schema.field("k").type]) == key


CHANGES: dict[str, tuple[str, Callable[[pa.Table], pa.Table]]] = {
    "a changed value": ("title", lambda rows: _set(rows, "title", 17, "other")),
    "a NULL for an empty text": ("title", lambda rows: _set(rows, "title", 3, None)),
    "a negative zero": ("size", lambda rows: _set(rows, "size", 9, -0.0)),
    "a text in another normal form": ("title", lambda rows: _set(rows, "title", 4, "e\u0301")),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_located_by_block_and_column(change: str, workspace: Workspace, tmp_path: Path) -> None:
    column, change_it = CHANGES[change]
    rows = pa.table({"id": list(range(30)), "title": ["a"] * 3 + [""] + ["é"] + ["a"] * 25, "size": [0.0] * 30})
    entry = _entry(workspace, _read(tmp_path, rows), rows, ["id"])
    changed = change_it(rows)
    (place,) = [n for n, (one, other) in enumerate(zip(rows.to_pylist(), changed.to_pylist(), strict=True))
                if repr(one) != repr(other)]  # fmt: skip

    found = measure(entry, _read(tmp_path, changed.take(list(reversed(range(30))))), workspace)

    assert found.proof != entry.state.proof
    assert [(one.block, one.columns) for one in found.differences] == [(place // 7, (column,))]


def test_a_missing_and_an_added_row_are_located_by_their_blocks(workspace: Workspace, tmp_path: Path) -> None:
    rows = pa.table({"id": list(range(0, 60, 2)), "title": ["a"] * 30})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("edms_tasks.proof.table_proof.BLOCK_ROWS", 10)
        entry = _entry(workspace, _read(tmp_path, rows), rows, ["id"])
    changed = pa.concat_tables([rows.slice(0, 4), rows.slice(5), pa.table({"id": [59], "title": ["a"]})])

    found = measure(entry, _read(tmp_path, changed), workspace)

    assert [one.block for one in found.differences] == [0, 2]
    assert {one.columns for one in found.differences} == {("id", "title")}


def test_values_of_another_type_have_no_proof_and_name_their_column(workspace: Workspace, tmp_path: Path) -> None:
    rows = pa.table({"id": [1, 2], "v": [10, 20]})
    entry = _entry(workspace, _read(tmp_path, rows), rows, ["id"])

    found = measure(entry, _read(tmp_path, pa.table({"id": [1, 2], "v": ["10", "20"]})), workspace)

    assert found.proof is None and found.differences[0].columns == ("v",)


def test_another_encoding_is_another_proof(workspace: Workspace, tmp_path: Path) -> None:
    rows = pa.table({"id": [1], "v": ["i10"]})
    entry = _entry(workspace, _read(tmp_path, rows), rows, ["id"])
    tagged: dict[str, Encoding] = {"v": "tagged"}

    found = measure(entry, replace(_read(tmp_path, rows), encodings=tagged), workspace)

    assert [one.columns for one in found.differences] == [("v",)]


def test_a_doubled_key_has_no_proof(workspace: Workspace, tmp_path: Path) -> None:
    rows = pa.table({"id": [1, 2, 3], "v": ["a", "b", "c"]})
    entry = _entry(workspace, _read(tmp_path, rows), rows, ["id"])

    doubled = _read(tmp_path, pa.concat_tables([rows, rows.slice(1, 1)]))

    assert measure(entry, doubled, workspace) == Measurement(None)
    with pytest.raises(NotInOrder):
        list(rows_by_key(doubled, ["id"], workspace.scratch("order")))


def test_rows_by_text_are_all_there(workspace: Workspace, tmp_path: Path) -> None:
    rows = pa.table({"v": ["b", "a", "b", None]})
    table = _table(rows, ())

    found = [
        v
        for part in rows_by_text(table, _read(tmp_path, rows), workspace, workspace.scratch("o"))
        for v in part["v"].to_pylist()
    ]

    assert sorted(map(str, found)) == ["None", "a", "b", "b"]


def _set(rows: pa.Table, name: str, row: int, value: object) -> pa.Table:
    values = rows[name].to_pylist()
    values[row] = value
    return rows.set_column(rows.schema.get_field_index(name), name, pa.array(values, rows.schema.field(name).type))


def test_an_order_of_before_whose_column_has_floats_now_is_not_kept(workspace: Workspace, tmp_path: Path) -> None:
    """A float is no part of a key: equal ones differ in their bits, and the manifest could not name where a block begins."""
    rows = pa.table({"id": ["b", "a"], "at": [1.0, 2.0]})

    assert choose_order(_table(rows, ["id"]), _read(tmp_path, rows), previous=("at", "id")) == [("id",)]
    whole = pa.table({"id": ["b", "a"], "at": [1, 2]})
    assert choose_order(_table(whole, ["id"]), _read(tmp_path, whole), previous=("at", "id")) == [("at", "id"), ("id",)]
