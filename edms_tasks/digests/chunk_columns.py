"""The names of the columns that a chunk has beside those of its table, and the mark of an id without a row (docs/format.md)."""

from __future__ import annotations

KEY = "@key"
"""The column with the row's natural key."""

ORPHAN = '{"nowhere":'
"""The beginning of the mark of an id that has no row. JSON strings escape quotes, so no value can contain it."""


def reference_column(name: str) -> str:
    """The column with the natural key of the row that a reference points at."""
    return f"@ref:{name}"


def content_column(column: str) -> str:
    """The column with the content of a column with soft references: natural keys in place of ids."""
    return f"@soft:{column}"


def is_derived(name: str) -> bool:
    """Whether a chunk's column depends on rows of other tables; all others are in raw rows too."""
    return name == KEY or name.startswith(("@ref:", "@soft:"))
