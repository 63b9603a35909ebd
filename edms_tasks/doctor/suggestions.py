"""Suggest a key for a table that has none: columns that identify its rows. A suggestion is never used by itself.

That no two rows share some values says little where there are few rows or many combinations of values. Such columns are not
suggested: as a key they would match rows of two systems that have nothing to do with each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import duckdb

from edms_tasks.inventory.model import Column, GenericReference, Table
from edms_tasks.inventory.natural_keys import reference_of
from edms_tasks.inventory.probe_report import ProbeModel
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier, identifiers
from edms_tasks.scratch.workspace import relation

# Names of columns that usually identify rows, the likeliest first.
_TELLING = (
    "uuid", "uid", "guid", "code", "number", "no", "slug", "key", "identifier", "name", "username", "email",
    "reference", "serial", "checksum", "filename", "path", "date", "language", "locale", "type", "kind",
    "sequence", "position", "order", "index", "rank", "page", "line", "revision", "version", "action",
)  # fmt: skip
# From here on they identify a row only within something else.
_WITHIN = _TELLING.index("date")
_KINDS = {"text", "integer", "uuid", "date"}
_MOST_COLUMNS = 8
_MOST_PARTS = 3
_SAMPLE_ROWS = 2_000
_FEWEST_ROWS = 2  # any column identifies a single row
_FEW_VALUES = 12  # a column with so few different ones says what kind a row is
_BY_CHANCE = 3.0  # expected rows with the same values, if values met at random: exp(-3) is 5 %


def suggest_key(
    cursor: duckdb.DuckDBPyConnection, table: Table, model: ProbeModel | None, keys: CheckedKeys
) -> tuple[str, ...] | None:
    """The fewest columns that no two rows share, as field paths for `[natural_keys]`; None if there are none."""
    raw = keys.raws[table.id]
    if raw.rows < _FEWEST_ROWS:
        return None
    rows = relation(table, raw)
    columns = list(_telling_columns(table, model, keys))[:_MOST_COLUMNS]
    sample = f"(SELECT * FROM {rows} LIMIT {_SAMPLE_ROWS})"
    for parts in range(1, _MOST_PARTS + 1):
        for chosen in itertools.combinations(columns, parts):
            # Not references alone: those of a link table have a constraint of their own.
            if all(reference_of(table, column.name) for column in chosen):
                continue
            if len(chosen) == 1 and _rank(chosen[0]) >= _WITHIN:
                continue
            names = [column.name for column in chosen]
            if (
                _tell_apart(cursor, sample, names)
                and _tell_apart(cursor, rows, names)
                and not (len(chosen) > 1 and _by_chance(cursor, table, rows, names))
            ):
                return tuple(column.field or column.name for column in chosen)
    return None


def _telling_columns(table: Table, model: ProbeModel | None, keys: CheckedKeys) -> Iterator[Column]:
    fields = {field.column: field for field in model.fields} if model is not None else {}
    generic = {reference.object_id_column for reference in table.references if isinstance(reference, GenericReference)}
    ranked: list[tuple[int, Column]] = []
    for column in table.columns:
        field = fields.get(column.name)
        automatic = column.generated or (field is not None and field.auto_now)
        if automatic or column.name in table.primary_key or column.name in generic:
            continue
        reference = reference_of(table, column.name)
        if reference is not None:
            if _identifies(reference.target, table.id, keys):
                ranked.append((len(_TELLING), column))
        elif column.logical_type in _KINDS and column.name not in dict(table.file_columns) and _tells(column):
            ranked.append((_rank(column), column))
    yield from (column for _, column in sorted(ranked, key=lambda pair: (pair[0], pair[1].nullable, pair[1].name)))


def _rank(column: Column) -> int:
    """The place of a column's name among the telling ones; their number for a name that tells nothing."""
    if column.logical_type == "uuid":
        return 0
    words = column.name.lower().split("_")
    return min((_TELLING.index(word) for word in words if word in _TELLING), default=len(_TELLING))


def _tells(column: Column) -> bool:
    return _rank(column) < len(_TELLING)


def _by_chance(cursor: duckdb.DuckDBPyConnection, table: Table, rows: str, columns: Sequence[str]) -> bool:
    """Whether no two rows have the same values in these columns only because there are few rows, or few different values."""
    counted = ", ".join(f"count(DISTINCT {identifier(name)})" for name in columns)
    (count, *different) = cursor.execute(f"SELECT count(*), {counted} FROM {rows}").fetchall()[0]
    few = max(_FEW_VALUES, math.isqrt(int(count)))
    if not any(reference_of(table, name) for name in columns) and max(different) <= few:
        return True
    return bool(count * (count - 1) / (2 * math.prod(different)) < _BY_CHANCE)


def _identifies(target: str, start: str, keys: CheckedKeys) -> bool:
    """Whether the target of a reference has a natural key that does not depend on the table `start`."""
    if target == start or target not in keys.keys:
        return False
    key = keys.keys[target].natural_key
    if key is None or key.source == "surrogate":
        return False
    nested = [reference_of(keys.tables[target], path[0]) for path in key.paths]
    return all(_identifies(reference.target, start, keys) for reference in nested if reference is not None)


def _tell_apart(cursor: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[str]) -> bool:
    """Whether no two rows have the same values in these columns, and none is NULL."""
    missing = " OR ".join(f"{identifier(name)} IS NULL" for name in columns)
    row = cursor.execute(
        f"SELECT count(*), count(*) FILTER ({missing}), count(DISTINCT ({identifiers(columns)},)) FROM {rows}"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    rows_read, with_nulls, different = row
    return bool(with_nulls == 0 and rows_read == different)
