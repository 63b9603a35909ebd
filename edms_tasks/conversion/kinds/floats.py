"""FloatField: the same 64 bits in both engines, except NaN and the sign of zero, which SQLite does not keep."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The number as it is."""
    narrow = columns.postgresql.native_type == "real"
    return Converted(f"TRY_CAST({value.number} AS FLOAT)" if narrow else value.number)


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The number as it is."""
    wide = f"CAST({value} AS DOUBLE)"
    return Converted(
        wide,
        (
            Incompatible(f"isnan({wide})", "is not a number (NaN), which SQLite turns into NULL"),
            Incompatible(f"({wide} = 0 AND signbit({wide}))", "is minus zero, whose sign SQLite does not keep"),
        ),
    )
