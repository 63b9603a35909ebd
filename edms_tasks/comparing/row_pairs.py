"""Match the rows of two sides and find those that differ, by key and hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.comparing.hashed_rows import CONTENT_HALVES, EXACT_HALVES, FOUND_AGAIN, HELD, REPEAT, HashedRows
from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.workspace import AS_PARQUET

CHANGE = "change"
PAIR = "@key:pair"
SIDES = ("first", "second")
_NUMBER = "@key:number"
_ALIKE = "@key:alike"


@dataclass(frozen=True)
class Pairs:
    """The rows that differ, in a Parquet file, and their number by kind of change.

    Columns: `change` (changed, removed, added, ids), `@key:pair` (a number for each), `@key`, and for each side, as "first <name>"
    and "second <name>", the row's primary key and the columns `FOUND_AGAIN`.
    """

    path: Path
    changed: int
    removed: int
    added: int
    other_ids: int

    @property
    def relation(self) -> str:
        """SQL: the relation to select from."""
        return f"read_parquet({literal(str(self.path))})"


def pair_rows(
    cursor: duckdb.DuckDBPyConnection, first: HashedRows, second: HashedRows, path: Path, *, shared_ids: bool = True
) -> Pairs:
    """Pair the rows of a table, and write those that differ to `path`.

    Rows are a pair if they have the same natural key. Rows without one are a pair if all their values are equal, ids included;
    otherwise if their content is. Without `shared_ids` an id means nothing, and the content alone decides. If several rows share
    a key, rows with equal values are paired first, the others by order of ids.
    """
    by_ids = shared_ids or _is_named(first)
    numbered = [_numbered(first, second, by_ids=by_ids), _numbered(second, first, by_ids=by_ids)]
    same = [_equal(names) for names in (EXACT_HALVES, CONTENT_HALVES)]
    columns = [
        f"{alias}.{identifier(name)} AS {identifier(f'{side} {name}')}"
        for alias, side in zip("ab", SIDES, strict=True)
        for name in (*first.table.primary_key, *FOUND_AGAIN)
    ]
    cursor.execute(
        f"""
        COPY (
            SELECT
                CASE
                    WHEN b.{identifier(REPEAT)} IS NULL THEN 'removed'
                    WHEN a.{identifier(REPEAT)} IS NULL THEN 'added'
                    WHEN {same[1]} THEN 'ids'
                    ELSE 'changed'
                END AS {identifier(CHANGE)},
                row_number() OVER () AS {identifier(PAIR)},
                coalesce(a.{identifier(KEY)}, b.{identifier(KEY)}) AS {identifier(KEY)},
                {", ".join(columns)}
            FROM {numbered[0]} a
                FULL JOIN {numbered[1]} b ON {_equal((PAIR, _NUMBER))}
            WHERE NOT coalesce({same[0]} AND {same[1]}, false)
        ) TO {literal(str(path))} {AS_PARQUET}
        """
    )
    found = cursor.execute(
        f"SELECT {identifier(CHANGE)}, count(*) FROM read_parquet({literal(str(path))}) GROUP BY 1"
    ).fetchall()
    counts = {str(change): int(count) for change, count in found}
    return Pairs(path, *(counts.get(change, 0) for change in ("changed", "removed", "added", "ids")))


def _numbered(rows: HashedRows, other: HashedRows, *, by_ids: bool) -> str:
    """SQL: the rows with `@key:pair` and `@key:number`; rows of the two sides that agree in both are a pair."""
    key = identifier(KEY)
    if _is_unique(rows) and _is_unique(other):
        return f"(SELECT *, {key} AS {identifier(PAIR)}, 1 AS {identifier(_NUMBER)} FROM {rows.relation})"
    order = identifiers(rows.table.primary_key) or identifiers(EXACT_HALVES)
    if not by_ids:
        number = f"row_number() OVER (PARTITION BY {key} ORDER BY {order}, {identifier(REPEAT)})"
        return f"(SELECT *, {key} AS {identifier(PAIR)}, {number} AS {identifier(_NUMBER)} FROM {rows.relation})"
    alike = identifier(_ALIKE)
    by = [*HELD, *([KEY] if _is_named(rows) else [])]
    held_alike = f"(SELECT {identifiers(by)}, true AS {alike} FROM {other.relation})"
    exact = f"concat('=', {', '.join(f'{identifier(name)}, chr(32)' for name in HELD)})"
    return f"""
        (
            SELECT
                * EXCLUDE ({alike}),
                CASE WHEN {alike} THEN {exact} ELSE {key} END AS {identifier(PAIR)},
                CASE
                    WHEN {alike} THEN 1 ELSE row_number() OVER (PARTITION BY {alike}, {key} ORDER BY {order}, {identifier(REPEAT)})
                END AS {identifier(_NUMBER)}
            FROM {rows.relation} LEFT JOIN {held_alike} USING ({identifiers(by)})
        )
    """


def _is_named(rows: HashedRows) -> bool:
    key = rows.side.keys.keys[rows.table.id].natural_key
    return key is not None and key.source != "content"


def _is_unique(rows: HashedRows) -> bool:
    return _is_named(rows) and not rows.side.keys.keys[rows.table.id].duplicates


def _equal(names: tuple[str, ...]) -> str:
    return " AND ".join(f"a.{identifier(name)} = b.{identifier(name)}" for name in names)
