"""BinaryField: bytes in both engines."""

from __future__ import annotations

from edms_tasks.conversion.conversion_types import Columns, Converted
from edms_tasks.conversion.storage_classes import Classes


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The bytes as they are."""
    return Converted(value.blob)


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The bytes as they are."""
    return Converted(value)
