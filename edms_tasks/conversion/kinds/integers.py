"""Whole numbers: 64 bits in SQLite whatever the column's declared type; 16, 32 or 64 bits in PostgreSQL."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes

_BITS = {"smallint": 16, "integer": 32, "bigint": 64}


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The number, if it is in the range of the column's type, and not negative in a positive integer field."""
    kind = columns.postgresql.native_type
    least, most = -(2 ** (_BITS[kind] - 1)), 2 ** (_BITS[kind] - 1) - 1
    incompatible = [Incompatible(f"{value.integer} NOT BETWEEN {least} AND {most}", f"is out of range for {kind}")]
    if columns.unsigned:
        incompatible.append(
            Incompatible(f"{value.integer} < 0", "is negative, but the column allows positive numbers only")
        )
        least = 0
    return Converted(
        f"CASE WHEN {value.integer} BETWEEN {least} AND {most} THEN TRY_CAST({value.integer} AS {kind}) END",
        tuple(incompatible),
    )


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The number as 64 bits; every number is compatible."""
    return Converted(f"CAST({value} AS BIGINT)")
