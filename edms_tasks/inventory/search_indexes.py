"""Tables that SQLite's search indexes keep their data in: made from other tables, and made anew by whoever owns them."""

from __future__ import annotations

from collections.abc import Collection

# https://www.sqlite.org/fts5.html, fts3.html and rtree.html, "shadow tables"
_PARTS = frozenset(
    ["data", "idx", "content", "docsize", "config", "segments", "segdir", "stat", "node", "rowid", "parent"]
)


def belongs_to_an_index(table_id: str, model: str | None, virtual: Collection[str]) -> bool:
    """Whether a table is one of these virtual tables (by name) or keeps a part of one; a model's table never is."""
    if model is not None:
        return False
    return any(
        table_id == name or (table_id.startswith(f"{name}_") and table_id[len(name) + 1 :] in _PARTS)
        for name in virtual
    )
