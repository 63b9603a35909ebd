"""Files with large documents are split in pieces of bytes that together hold the same rows in the same order."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.conversion.table_splitting import PIECE_BYTES, split_documents
from tests.conversion.columns import columns


def split(table: pa.Table, path: Path, native_type: str = "jsonb") -> list[pa.Table]:
    pq.write_table(table, path, row_group_size=3)
    pair = cast("TablePair", SimpleNamespace(columns=lambda: (columns("text", native_type),)))
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = false")
        return [pq.read_table(file) for file in split_documents(connection, pair, [path])]


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()])
def test_pieces_hold_the_rows_in_their_order_and_no_more_bytes_than_a_piece_and_a_document(
    tmp_path: Path, kind: pa.DataType
) -> None:
    sizes = [10, 400_000, 700_000, None, 0, 3 * PIECE_BYTES, 5, 900_000, 200_000, None]
    values = [None if size is None else b"x" * size for size in sizes]
    table = pa.table({"id": [*range(len(sizes))], "value": pa.array(values, pa.binary()).cast(kind)})

    pieces = split(table, tmp_path / "000000.parquet")

    assert pa.concat_tables(pieces).to_pydict() == table.to_pydict()
    assert len(pieces) > 3
    for piece in pieces:
        lengths = [len(value) for value in piece.column("value").to_pylist() if value is not None]
        assert sum(lengths) - max(lengths, default=0) <= PIECE_BYTES
    assert len([*tmp_path.iterdir()]) == len(pieces)


@pytest.mark.parametrize(
    ("table", "native_type"),
    [
        (pa.table({"value": ["x" * PIECE_BYTES] * 4}), "text"),
        (pa.table({"value": ["[1]"] * 1000}), "jsonb"),
        (pa.table({"value": ["x" * PIECE_BYTES] * 4, "file_row_number": [4, 3, 2, 1]}), "jsonb"),
        (pa.table({"value": pa.array([], pa.string())}), "jsonb"),
    ],
    ids=["no documents", "small documents", "a column named as the position of rows", "no rows"],
)
def test_other_files_stay_as_they_are(tmp_path: Path, table: pa.Table, native_type: str) -> None:
    (same,) = split(table, tmp_path / "000000.parquet", native_type)

    assert same.to_pydict() == table.to_pydict()
