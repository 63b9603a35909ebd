"""Rows that an old backup holds more than once, by primary key and by every unique key of the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.placed_keys import PlacedKeys

_EXAMPLES = 3


@dataclass(frozen=True)
class RepeatedRows:
    """The earlier ones of rows with the same key."""

    earlier: str  # a query of (n, why)
    same: int  # of them, rows that are the same as the last
    others: int
    examples: tuple[str, ...]

    def findings(self, label: str) -> Iterator[Finding]:
        """The findings on them."""
        if self.same:
            yield make_finding("old-duplicate-row", label, severity="info", count=self.same, examples=self.examples)
        if self.others:
            yield make_finding("old-duplicate-row", label, severity="error", count=self.others, examples=self.examples)


def keyed_rows(keys: PlacedKeys, table: str) -> Iterator[str]:
    """For each key of a table, a query of (n, k) of the rows that have it."""
    staged = keys.staged[table]
    if staged.model.key_column is not None:
        yield f"SELECT n, pk AS k FROM {staged.relation} WHERE pk IS NOT NULL"
    known = {column.name for column in staged.columns if not column.generated}
    whole = [unique.columns for unique in staged.model.table.unique_keys if not unique.partial and not unique.condition]
    for columns in [*filter(None, [staged.model.key_columns]), *whole]:
        if not known.issuperset(columns):
            continue  # those with the primary key
        parts, joins = [], []
        for at, column in enumerate(columns):
            if column in staged.model.references:
                joins.append(f"JOIN {keys.resolved(table, column)} r{at} ON r{at}.n = s.n")
                parts.append(f"CAST(r{at}.tn AS VARCHAR)")
            else:
                parts.append(f"CAST(s.v{staged.position(column)} AS VARCHAR)")
        key = " || chr(31) || ".join(parts)  # NULL where a part is: such rows are no duplicates
        yield f"SELECT s.n, {key} AS k FROM {staged.relation} s {' '.join(joins)} WHERE ({key}) IS NOT NULL"


def repeated_rows(
    cursor: duckdb.DuckDBPyConnection, lines: str, keyed: str, keep: Callable[[str], str]
) -> RepeatedRows | None:
    """The rows that are repeated by a key; None if there are none.

    Args:
        cursor: the database.
        lines: the relation of the rows as the backup has them: n, pk, fields.
        keyed: a query of (n, k).
        keep: writes a query's rows to a file and returns the relation.
    """
    groups = f"SELECT k FROM ({keyed}) GROUP BY k HAVING count(*) > 1"
    if not cursor.execute(f"{groups} LIMIT 1").fetchone():
        return None
    text = "coalesce(CAST(l.pk AS VARCHAR), '') || CAST(l.fields AS VARCHAR)"
    texts = f"SELECT q.n, q.k, {text} AS text FROM ({keyed}) q JOIN {lines} l ON l.n = q.n WHERE q.k IN ({groups})"
    whole = "PARTITION BY k ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    found = keep(
        f"SELECT n, k, text = last_value(text) OVER ({whole}) AS same, n = max(n) OVER (PARTITION BY k) AS last FROM ({texts})"
    )
    counts = cursor.execute(f"SELECT count_if(same), count_if(NOT same) FROM {found} WHERE NOT last").fetchone()
    assert counts is not None  # an aggregate always returns one row
    shown = cursor.execute(f"SELECT DISTINCT k FROM {found} WHERE NOT last ORDER BY 1 LIMIT {_EXAMPLES}").fetchall()
    examples = tuple(str(k).replace(chr(31), ", ")[:100] for (k,) in shown)
    why = (
        "CASE WHEN same THEN 'the same row stands there again' ELSE 'a later row has the same key and other values' END"
    )
    return RepeatedRows(f"SELECT n, {why} AS why FROM {found} WHERE NOT last", int(counts[0]), int(counts[1]), examples)
