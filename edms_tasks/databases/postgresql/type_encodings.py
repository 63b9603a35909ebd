"""Encodings of PostgreSQL's types: an Arrow type if it stores every value without loss, otherwise text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import pyarrow as pa

from edms_tasks.databases.protocol import Measure
from edms_tasks.inventory.model import Column, Table
from edms_tasks.manifest import Encoding

# Types with an Arrow type that loses nothing. The others are stored as the text that the type's output function writes, which
# its input function reads back as the same value.
NATIVE: dict[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", tz="UTC"),
}
TEXTUAL = {"text", "character varying"}
# Read by a cast to text: the output function leaves out the declaration of the encoding.
_XML = "xml"
DATED = {"date", "timestamp without time zone", "timestamp with time zone"}


def base_of(native_type: str) -> str:
    """A type's name without its parameters."""
    # "character varying(30)" -> "character varying", "timestamp(0) with time zone" -> "timestamp with time zone"
    return re.sub(r"\([^)]*\)", "", native_type).strip()


def has_xml(table: Table) -> bool:
    """Whether a table has a column of type xml."""
    return any(base_of(column.native_type) == _XML for column in table.columns)


def measure_of(rows: int, columns: Iterable[Column], beyond: Collection[str], cast: Collection[str]) -> Measure:
    """The measure of a table or of some of its columns.

    Args:
        rows: the number of rows.
        columns: the columns.
        beyond: names of columns with dates that Arrow or Python cannot represent.
        cast: names of columns that a snapshot of an earlier release read by a cast to text.
    """
    encodings: dict[str, Encoding] = {}
    types: dict[str, pa.DataType] = {}
    for column in columns:
        base = base_of(column.native_type)
        native = NATIVE.get(base) if column.name not in beyond else None
        if native is not None or base in TEXTUAL:
            encodings[column.name] = "native"
        else:
            encodings[column.name] = "text" if base == _XML or column.name in cast else "output"
        types[column.name] = native if native is not None else pa.string()
    return Measure(rows=rows, encodings=encodings, types=types)
