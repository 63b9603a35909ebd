"""The order in which rows are updated: a row takes a unique value only after the row that has it has given it up.

Databases compare unique values after each row (PostgreSQL's deferrable constraints at the end). Rows of a model whose positions
moved by one take each other's value, one after the other. Rows that exchange values have no order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.identified_rows import NUMBER, Identified, paired
from edms_tasks.merging.planning import Policy
from edms_tasks.merging.row_rewriting import ACTION, COLUMNS, Rewritten
from edms_tasks.merging.shared_uniques import SharedUnique, shared_key, shared_rule
from edms_tasks.quoting import identifier, identifiers, literal

_TURNS = 64  # each is a statement of its own; longer chains count as an exchange
_EXAMPLES = 3


def order_conflicts(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten, policy: Policy
) -> list[Conflict]:
    """The conflict of rows to be updated that exchange unique values."""
    stuck = _turns(cursor, source, target, rows)[1] if policy == "overwrite" else []
    if not stuck:
        return []
    label = source.table.label
    return [
        make_conflict(
            "unique",
            label,
            "Rows of both systems have exchanged unique values, and the database compares these after each row.",
            count=len(stuck),
            examples=tuple(stuck[:_EXAMPLES]),
            fix=f"Give one of these rows another value in the target, or choose --on-conflict {label}=keep.",
        )
    ]


def in_turns(cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten) -> list[str]:
    """SQL conditions on the rewritten rows `r`: the rows to update, in the order in which they can be."""
    last, _ = _turns(cursor, source, target, rows)
    update = f"r.\"{ACTION}\" = 'update'"
    if not last:
        return [update]
    turn = f"coalesce((SELECT any_value(w.turn) FROM waiting w WHERE {paired('w', 'r')}), 0)"
    return [f"{update} AND {turn} = {number}" for number in range(last + 1)]


def _turns(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten
) -> tuple[int, list[str]]:
    """The number of the last turn, and the keys of rows that have none. The table `waiting` has the turns of all but the first."""
    uniques = _moved(cursor, source, target, rows)
    if not uniques:
        return 0, []
    key = identifiers((KEY, NUMBER))
    moves = " UNION ".join(_waits_for(rows, unique) for unique in uniques)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE moves AS {moves}")
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE waiting AS SELECT DISTINCT {key}, 0 AS turn FROM moves")
    left, last = _waiting(cursor), 0
    while left and last < _TURNS:
        last += 1
        # Those go in this turn that wait for nobody who is still waiting.
        cursor.execute(
            f"""
            UPDATE waiting SET turn = {last} WHERE turn = 0 AND NOT EXISTS (
                SELECT 1 FROM moves m JOIN waiting o ON o.{identifier(KEY)} = m.holder AND o.{identifier(NUMBER)} = m.holder_number
                WHERE {paired("m", "waiting")} AND o.turn = 0
            )
            """
        )
        now = _waiting(cursor)
        if now == left:
            break
        left = now
    stuck = cursor.execute(f"SELECT {identifier(KEY)} FROM waiting WHERE turn = 0 ORDER BY 1").fetchall()
    return last, [str(one)[:200] for (one,) in stuck]


def _moved(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten
) -> list[SharedUnique]:
    """The unique values in which rows to be updated may differ, as far as DuckDB can compute them."""
    table = source.table
    if not rows.updates:
        return []
    found = cursor.execute(f'SELECT DISTINCT unnest("{COLUMNS}") FROM {rows.updates_relation}').fetchall()
    changed = {str(name) for (name,) in found}
    moved: list[SharedUnique] = []
    for unique in table.unique_keys:
        computed = unique.partial or any(table.column(name).generated for name in unique.columns)
        if (
            unique.columns == table.primary_key
            or not unique.columns
            or unique.name in table.deferred_uniques
            or (changed.isdisjoint(unique.columns) and not computed)
        ):
            continue
        with _what_only_the_server_computes():
            moved.append(shared_key(cursor, source, target, rows, unique))
    for rule in table.unique_rules if changed else ():
        with _what_only_the_server_computes():
            moved += [shared_rule(cursor, source, target, rows, rule)] if rule.terms else []
    return moved


@contextmanager
def _what_only_the_server_computes() -> Iterator[None]:
    """Leave out what DuckDB cannot compute; too little memory is another matter."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        return


def _waits_for(rows: Rewritten, unique: SharedUnique) -> str:
    """SELECT the rows to be updated that take a value which another row to be updated has, and that row."""
    update = f'"{ACTION}" = {literal("update")}'
    return (
        f"SELECT r.{identifier(KEY)}, r.{identifier(NUMBER)}, t.{identifier(KEY)} AS holder, t.{identifier(NUMBER)} AS holder_number "
        f"FROM (SELECT * FROM {unique.ours} WHERE {update}) r JOIN {unique.theirs} t "
        f"ON {' AND '.join(unique.conditions)} AND NOT ({paired('r', 't')}) "
        f"SEMI JOIN (SELECT * FROM {rows.relation} WHERE {update}) o ON {paired('o', 't')}"
    )


def _waiting(cursor: duckdb.DuckDBPyConnection) -> int:
    row = cursor.execute("SELECT count(*) FROM waiting WHERE turn = 0").fetchone()
    assert row is not None  # an aggregate always returns one row
    return int(row[0])
