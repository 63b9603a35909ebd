"""Whether the paths of masking rules lead anywhere in a column's documents: a misspelled one would mask nothing, and nobody would know."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import duckdb

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Table
from edms_tasks.masking.column_masks import ColumnMask
from edms_tasks.masking.mask_plan import MaskedColumn
from edms_tasks.soft.json_positions import Node, parse

_LOOKED_AT = 20  # documents in which a path is sought that is spelled alike
_DEEPEST = 12


class PathsThatLead:
    """Collects, over the rows of a table, which paths of its rules lead to something."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._led: dict[tuple[str, str], bool] = {}
        self._written: dict[str, bool] = {}
        self._known: dict[str, set[str]] = {}

    def look(self, cursor: duckdb.DuckDBPyConnection, rows: str, column: MaskedColumn, mask: ColumnMask) -> None:
        """Look at some rows (a relation) of a masked column."""
        if not mask.paths:
            return
        asked = ", ".join(f"coalesce(bool_or({sql}), false)" for sql in (mask.written, *mask.paths.values()))
        ((written, *led),) = cursor.execute(f"SELECT {asked} FROM {rows}").fetchall()
        self._written[column.name] = self._written.get(column.name, False) or written
        for path, leads in zip(mask.paths, led, strict=True):
            self._led[column.name, path] = self._led.get((column.name, path), False) or leads
        known = self._known.setdefault(column.name, set())
        if not all(led) and not known:
            documents = cursor.execute(
                f"SELECT {mask.document} FROM {rows} WHERE {mask.written} LIMIT {_LOOKED_AT}"
            ).fetchall()
            roots = (parse(text) for (text,) in documents)
            known.update(path for root in roots if root is not None for path in _paths(root))

    def require_all(self) -> None:
        """Check that each path has led to something, where there were strings at all; raises SettingsError."""
        for (column, path), leads in self._led.items():
            if leads or not self._written[column]:
                continue
            close = difflib.get_close_matches(path, self._known[column], n=1, cutoff=0.6)
            raise SettingsError(
                f"The path {path!r} leads to nothing in any document of {self._table.label}.{column}, so it would mask nothing.",
                where="the masking rules",
                fix=f"Did you mean {close[0]!r}?"
                if close
                else "Correct it: names as they are spelled in the documents, and name[*] for the members of a list. "
                "If the documents no longer have it, remove it.",
            )


def _paths(node: Node, above: str = "", depth: int = 0) -> Iterator[str]:
    """The paths of a document's members, as rules spell them."""
    if depth == _DEEPEST:
        return
    for member in node.members:
        step = "[*]" if node.kind == "array" else f".{member.key.text}"
        path = f"{above}{step}".removeprefix(".")
        yield path
        yield from _paths(member.node, path, depth + 1)
