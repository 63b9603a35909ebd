"""Text, with and without a limit of characters. PostgreSQL enforces the limit and refuses NUL; SQLite stores any text."""

from __future__ import annotations

import re

from edms_tasks.conversion.conversion_types import Columns, Converted, Incompatible
from edms_tasks.conversion.storage_classes import Classes


def to_postgresql(value: Classes, columns: Columns) -> Converted:
    """The text as it is."""
    limit = re.search(r"\((\d+)\)", columns.postgresql.native_type)
    nul = f"contains({value.text}, chr(0))"
    incompatible = [
        Incompatible(value.unreadable, "is text that is not valid UTF-8"),
        Incompatible(nul, "contains a NUL character, which PostgreSQL's text does not support"),
    ]
    fits = f"NOT {nul}"
    if limit:
        incompatible.append(Incompatible(f"length({value.text}) > {limit[1]}", f"is longer than {limit[1]} characters"))
        fits += f" AND length({value.text}) <= {limit[1]}"
    return Converted(f"CASE WHEN {fits} THEN {value.text} END", tuple(incompatible))


def to_sqlite(value: str, columns: Columns) -> Converted:
    """The text as it is."""
    return Converted(value)
