"""When two rows share a value that the database keeps unique: SQL for keys of columns, for parts of an index, for computed terms."""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.value_equality import without_ascii_case
from edms_tasks.inventory.model import UniqueKey, UniqueRule
from edms_tasks.merging.computed_columns import untagged_rows, with_computed_columns
from edms_tasks.merging.identified_rows import EXACT, NUMBER, Identified, shared_value
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, identifiers

_COLLATE = re.compile(r"\s+COLLATE\s+(\w+)$", re.IGNORECASE)


@dataclass(frozen=True)
class SharedUnique:
    """SQL for rows `r` of the snapshot, rewritten, and rows `t` of the target."""

    name: str
    what: str  # for people
    ours: str  # the relation of `r`
    theirs: str  # the relation of `t`
    conditions: tuple[str, ...]  # they share a value
    shown: str  # the value
    # Generated columns that only the database computes: with such, `ours` has no rows that the merge changes.
    unknown: tuple[str, ...] = ()


def shared_key(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten, unique: UniqueKey
) -> SharedUnique:
    """How rows share a key of columns. Raises duckdb.Error for a condition that DuckDB cannot compute."""
    (ours, unknown), theirs = with_computed_columns(cursor, source, rows, _named_by(unique)), target.relation
    if unique.partial and not (unique.where_null or unique.where_filled):
        ours = _within(cursor, unique.condition, source, ours)
        theirs = _within(cursor, unique.condition, target, theirs)
    taken = [shared_value("r", column, source, target) for column in unique.columns]
    held = [shared_value("t", column, target, source) for column in unique.columns]
    operator = "=" if unique.nulls_distinct else "IS NOT DISTINCT FROM"
    conditions = [f"{one} {operator} {other}" for one, other in zip(taken, held, strict=True)]
    for column in unique.where_null:
        conditions += [f"{alias}.{identifier(column)} IS NULL" for alias in ("r", "t")]
    for column in unique.where_filled:
        conditions += [f"{alias}.{identifier(column)} IS NOT NULL" for alias in ("r", "t")]
    return SharedUnique(
        unique.name,
        ", ".join(unique.columns),
        ours,
        theirs,
        tuple(conditions),
        f"concat_ws(', ', {', '.join(taken)})",
        unknown,
    )


def shared_rule(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten, rule: UniqueRule
) -> SharedUnique:
    """How rows share terms that the database computes. Raises duckdb.Error for what DuckDB cannot compute."""
    names = [f"@term {number}" for number, _ in enumerate(rule.terms)]
    terms = ", ".join(f"{_term(term)} AS {identifier(name)}" for term, name in zip(rule.terms, names, strict=True))

    def with_terms(side: Identified, relation: str, *columns: str) -> str:
        within = _within(cursor, rule.condition, side, relation) if rule.condition else relation
        found = f"(SELECT {identifiers((KEY, NUMBER, *columns))}, {terms} FROM {untagged_rows(side, within)})"
        computed = ", ".join(f"count({identifier(name)})" for name in names)
        cursor.execute(f"SELECT {computed} FROM {found}").fetchall()  # raises what it cannot compute
        return found

    ours, unknown = with_computed_columns(cursor, source, rows, " ".join((*rule.terms, rule.condition)))
    return SharedUnique(
        rule.name,
        ", ".join(_COLLATE.sub("", term).strip('"') for term in rule.terms),
        with_terms(source, ours, ACTION),
        with_terms(target, target.relation),
        tuple(f"r.{identifier(name)} = t.{identifier(name)}" for name in names),
        f"concat_ws(', ', {', '.join(f'r.{identifier(name)}' for name in names)})",
        unknown,
    )


def _named_by(unique: UniqueKey) -> str:
    return " ".join((*unique.columns, *unique.where_null, *unique.where_filled, unique.condition))


def _term(term: str) -> str:
    """A term as DuckDB computes it: SQLite's orders of texts are made of functions."""
    collation = _COLLATE.search(term)
    plain = f"({_COLLATE.sub('', term)})"
    return {
        "NOCASE": without_ascii_case(f"CAST({plain} AS VARCHAR)"),
        "RTRIM": f"rtrim(CAST({plain} AS VARCHAR), ' ')",
    }.get(collation[1].upper() if collation else "", plain)


def _within(cursor: duckdb.DuckDBPyConnection, condition: str, side: Identified, relation: str) -> str:
    """The rows for which the condition of a partial index is true. Raises duckdb.Error for what DuckDB cannot compute."""
    within = f"(SELECT {identifier(EXACT)} FROM {untagged_rows(side, relation)} WHERE {condition or 'error()'})"
    cursor.execute(f"SELECT count(*) FROM {within}").fetchall()
    return f"(SELECT * FROM {relation} WHERE {identifier(EXACT)} IN {within})"
