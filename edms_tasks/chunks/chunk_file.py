"""Write a chunk as Parquet."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_DICTIONARY_BYTES = 4 << 20
_SAMPLE_ROWS = 4096
_FEW_ROWS = 64


def write_chunk(rows: pa.Table, path: Path) -> None:
    """Write a chunk as Parquet. zstd level 1 gives the same size as 3 on such columns in two thirds of the time (docs/performance.md)."""
    plain = {field.name: encoding for field in rows.schema if (encoding := _plain_encoding(field, rows[field.name]))}
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in rows.column_names if name not in plain],
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        column_encoding=plain or None,
        write_statistics=False,
    )


def _plain_encoding(field: pa.Field, values: pa.ChunkedArray) -> str | None:
    """The Parquet encoding of a column whose values rarely repeat; None for a dictionary.

    For such values Parquet would build a dictionary, give it up, and fall back to plain encoding. Delta encodings (lengths separate
    from texts, differences of integers) are 14 % smaller (docs/performance.md).
    """
    encoding = _delta_encoding(field.type)
    return encoding if encoding and _rarely_repeat(values.slice(0, _SAMPLE_ROWS)) else None


def _delta_encoding(kind: pa.DataType) -> str | None:
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return "DELTA_LENGTH_BYTE_ARRAY"
    if pa.types.is_timestamp(kind) or (pa.types.is_integer(kind) and kind.bit_width >= 32):
        return "DELTA_BINARY_PACKED"
    return None


def _rarely_repeat(values: pa.ChunkedArray) -> bool:
    """Whether at least a quarter of the values are different ones."""
    filled = len(values) - values.null_count
    if filled < _FEW_ROWS:
        return False
    # If the first values are different enough already, the others need not be counted.
    few = values.slice(0, len(values) // 3)
    return any(_number_of_different(some) * 4 >= filled for some in (few, values))


def _number_of_different(values: pa.ChunkedArray) -> int:
    different: int = len(pc.unique(values)) - (values.null_count > 0)  # count_distinct takes twice the time
    return different
