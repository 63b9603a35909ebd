"""Recognise the tables of SQLite's search indexes. Their content comes from other tables, and the EDMS can build it again."""

from __future__ import annotations

from collections.abc import Collection

# https://www.sqlite.org/fts5.html, fts3.html and rtree.html, "shadow tables"
_PARTS = frozenset(
    ["data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node", "rowid", "parent"]
)


def belongs_to_an_index(table_id: str, model: str | None, virtual: Collection[str]) -> bool:
    """Whether a table is one of the virtual tables `virtual` (names) or stores a part of one; a model's table never does."""
    if model is not None:
        return False
    return any(
        table_id == name or (table_id.startswith(f"{name}_") and table_id[len(name) + 1 :] in _PARTS)
        for name in virtual
    )
