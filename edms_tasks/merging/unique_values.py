"""Values that the target keeps unique: rows that would share one are a conflict; what only the database can compare is said."""

from __future__ import annotations

import re
from collections.abc import Sequence

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.value_equality import without_ascii_case
from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import UniqueKey, UniqueRule
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.identified_rows import EXACT, NUMBER, Identified, paired, shared_value
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, identifiers

_EXAMPLES = 3
_COLLATE = re.compile(r"\s+COLLATE\s+(\w+)$", re.IGNORECASE)


def unique_conflicts(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten, policy: Policy
) -> tuple[list[Conflict], list[str]]:
    """The conflicts of a table, and a sentence for each rule that shows only when rows are written.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        target: the target's rows.
        rows: the snapshot's rows, rewritten for the target.
        policy: what happens to rows that are on both sides and differ.
    """
    if not rows.inserts and not (rows.updates and policy == "overwrite"):
        return [], []
    conflicts, said = [], []
    ours = _with_computed_columns(source, rows)
    for unique in source.table.unique_keys:
        if unique.columns == source.table.primary_key or not unique.columns:
            continue
        try:
            conflicts += _of_key(cursor, source, target, rows, ours, unique, policy)
        except duckdb.Error:
            if not unique.condition:
                raise
            said.append(_unknown(source, unique.name, f"its condition ({unique.condition})"))
    told = {conflict.message for conflict in conflicts}
    for rule in source.table.unique_rules:
        if not rule.terms:
            said.append(_unknown(source, rule.name, "which rows it takes for equal"))
            continue
        try:
            found = _of_rule(cursor, source, target, rows, ours, rule, policy)
        except duckdb.Error:
            said.append(_unknown(source, rule.name, f"its terms ({', '.join(rule.terms)})"))
            continue
        conflicts += [conflict for conflict in found if conflict.message not in told]
    return conflicts, said


def _unknown(source: Identified, name: str, what: str) -> str:
    return (
        f"{source.table.label}: whether rows violate the unique index {name} shows only when they are written. Only the database can "
        f"compute {what}."
    )


def _with_computed_columns(source: Identified, rows: Rewritten) -> str:
    """The rewritten rows with the columns that the database computes, as the snapshot has them."""
    computed = [column.name for column in source.table.columns if column.generated]
    if not computed:
        return rows.relation
    values = ", ".join(f"s.{identifier(name)}" for name in computed)
    return f"(SELECT r.*, {values} FROM {rows.relation} r JOIN {source.relation} s ON {paired('r', 's')})"


def _of_key(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    ours: str,
    unique: UniqueKey,
    policy: Policy,
) -> list[Conflict]:
    """Rows to be written that would share a unique value with another row of the target."""
    theirs = target.relation
    if unique.partial and not (unique.where_null or unique.where_filled):
        ours = _within(cursor, unique.condition, source, ours)
        theirs = _within(cursor, unique.condition, target, target.relation)
    taken = [shared_value("r", column, source, target) for column in unique.columns]
    held = [shared_value("t", column, target, source) for column in unique.columns]
    operator = "=" if unique.nulls_distinct else "IS NOT DISTINCT FROM"
    conditions = [f"{one} {operator} {other}" for one, other in zip(taken, held, strict=True)]
    for column in unique.where_null:
        conditions += [f"{alias}.{identifier(column)} IS NULL" for alias in ("r", "t")]
    for column in unique.where_filled:
        conditions += [f"{alias}.{identifier(column)} IS NOT NULL" for alias in ("r", "t")]
    found = _sharing(cursor, rows, ours, theirs, conditions, ", ".join(taken), policy)
    return _conflict(source, ", ".join(unique.columns), unique.name, found)


def _of_rule(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    ours: str,
    rule: UniqueRule,
    policy: Policy,
) -> list[Conflict]:
    """The same for terms that the database computes, where DuckDB can compute them too. Raises duckdb.Error."""
    names = [f"@term {number}" for number, _ in enumerate(rule.terms)]
    terms = ", ".join(f"{_term(term)} AS {identifier(name)}" for term, name in zip(rule.terms, names, strict=True))

    def with_terms(side: Identified, relation: str, *columns: str) -> str:
        within = _within(cursor, rule.condition, side, relation) if rule.condition else relation
        return f"(SELECT {identifiers((KEY, NUMBER, *columns))}, {terms} FROM {_plain(side, within)})"

    conditions = [f"r.{identifier(name)} = t.{identifier(name)}" for name in names]
    shown = ", ".join(f"r.{identifier(name)}" for name in names)
    found = _sharing(
        cursor, rows, with_terms(source, ours, ACTION), with_terms(target, target.relation), conditions, shown, policy
    )
    bare = [_COLLATE.sub("", term).strip('"') for term in rule.terms]
    return _conflict(source, ", ".join(bare), rule.name, found)


def _term(term: str) -> str:
    """A term as DuckDB computes it: SQLite's orders of texts are made of functions."""
    collation = _COLLATE.search(term)
    plain = f"({_COLLATE.sub('', term)})"
    return {
        "NOCASE": without_ascii_case(f"CAST({plain} AS VARCHAR)"),
        "RTRIM": f"rtrim(CAST({plain} AS VARCHAR), ' ')",
    }.get(collation[1].upper() if collation else "", plain)


def _sharing(
    cursor: duckdb.DuckDBPyConnection,
    rows: Rewritten,
    ours: str,
    theirs: str,
    conditions: Sequence[str],
    shown: str,
    policy: Policy,
) -> list[tuple[str, str, str]]:
    """(key of the snapshot's row, key of the target's row, value) of rows that would share a value."""
    overwritten = f"AND o.{written(policy)}"
    return cursor.execute(
        f"""
        SELECT r.{identifier(KEY)}, t.{identifier(KEY)}, concat_ws(', ', {shown})
        FROM (SELECT * FROM {ours} WHERE {written(policy)}) r
            JOIN (
                SELECT * FROM {theirs} t
                WHERE NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired("o", "t")} {overwritten})
            ) t ON {" AND ".join(conditions)} AND NOT ({paired("r", "t")})
        ORDER BY 1, 2
        """
    ).fetchall()


def _conflict(source: Identified, what: str, name: str, found: Sequence[tuple[str, str, str]]) -> list[Conflict]:
    if not found:
        return []
    return [
        make_conflict(
            "unique",
            source.table.label,
            f"Rows of the snapshot have the {what} of other rows of the target ({name}).",
            count=len(found),
            examples=tuple(f"{ours} and {theirs}: {value}"[:300] for ours, theirs, value in found[:_EXAMPLES]),
        )
    ]


def _plain(side: Identified, relation: str) -> str:
    """A relation with untagged values, for expressions that the database has."""
    plain = [
        f"{text_value(column.name, side.storage(column.name).kind, 'tagged', alias='x')} AS {identifier(column.name)}"
        for column in side.table.stored_columns
        if side.storage(column.name).tagged
    ]
    columns = f"x.* REPLACE ({', '.join(plain)})" if plain else "x.*"
    return f"(SELECT {columns} FROM {relation} x)"


def _within(cursor: duckdb.DuckDBPyConnection, condition: str, side: Identified, relation: str) -> str:
    """The rows for which the condition of a partial index is true. Raises duckdb.Error for what DuckDB cannot compute."""
    within = f"(SELECT {identifier(EXACT)} FROM {_plain(side, relation)} WHERE {condition or 'error()'})"
    cursor.execute(f"SELECT count(*) FROM {within}").fetchall()
    return f"(SELECT * FROM {relation} WHERE {identifier(EXACT)} IN {within})"
