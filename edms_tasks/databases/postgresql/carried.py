"""How values of PostgreSQL's types are carried: in Arrow's own types where these hold them without loss, else as their text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import pyarrow as pa

from edms_tasks.databases.protocol import Measure
from edms_tasks.inventory.model import Column, Table
from edms_tasks.manifest import Encoding

# Types whose binary form Arrow carries without loss; everything else travels as the text that the type's output
# function writes, which its input function reads back to the same value.
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
# Kept as its text. The output function leaves the declaration of an encoding out.
_XML = "xml"
DATED = {"date", "timestamp without time zone", "timestamp with time zone"}


def base_of(native_type: str) -> str:
    """The type without its parameters."""
    # "character varying(30)" -> "character varying", "timestamp(0) with time zone" -> "timestamp with time zone"
    return re.sub(r"\([^)]*\)", "", native_type).strip()


def has_xml(table: Table) -> bool:
    """Whether a column of it holds XML."""
    return any(base_of(column.native_type) == _XML for column in table.columns)


def measure_of(rows: int, columns: Iterable[Column], beyond: Collection[str], cast: Collection[str]) -> Measure:
    """`beyond` are columns with dates that Arrow or Python cannot hold, `cast` those that a snapshot read by a cast."""
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
