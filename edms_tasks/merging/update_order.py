"""The order in which rows are updated: a row takes a unique value only after the row that has it has given it up.

Databases compare unique values after each row (PostgreSQL's deferrable constraints at the end). Rows of a model whose positions
moved by one take each other's value, one after the other. Rows that exchange values have no order: they step aside first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.inventory.model import UniqueKey, UniqueRule
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.identified_rows import NUMBER, Identified, paired
from edms_tasks.merging.planning import Policy
from edms_tasks.merging.row_rewriting import ACTION, COLUMNS, Rewritten
from edms_tasks.merging.shared_uniques import SharedUnique, shared_key, shared_rule
from edms_tasks.merging.stepping_aside import GivingWay, giving_way, write_aside
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.workspace import AS_PARQUET

_TURNS = 64  # each is a statement of its own; longer chains count as an exchange
_FEW_TURNS = 4  # of rows that can step aside: then all of them go in one
_NONE = -1  # the turn of rows that have none
_EXAMPLES = 3


@dataclass(frozen=True)
class _Turns:
    last: int  # the number of the last turn; rows that have none wait until others have stepped aside
    stuck: tuple[str, ...]  # keys of the rows that have no turn
    aside: tuple[GivingWay, ...] | None  # how they step aside; None if they cannot


def order_conflicts(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    policy: Policy,
    *,
    plain: bool,
) -> list[Conflict]:
    """The conflict of rows to be updated that exchange unique values and cannot step aside.

    `plain`: whether the target's rows are as they are in the database, and not without positions in a tree or derived columns.
    """
    turns = _turns(cursor, source, target, rows, plain=plain) if policy == "overwrite" else None
    if turns is None or not turns.stuck or turns.aside is not None:
        return []
    label = source.table.label
    return [
        make_conflict(
            "unique",
            label,
            "Rows of both systems have exchanged unique values, and the database compares these after each row.",
            count=len(turns.stuck),
            examples=turns.stuck[:_EXAMPLES],
            fix=f"Give one of these rows another value in the target, or choose --on-conflict {label}=keep.",
        )
    ]


def write_updates(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    folder: Path,
    *,
    plain: bool,
) -> list[Path]:
    """Write the rows to update into files in `folder`, in the order in which the database takes them; for `plain` see above."""
    turns = _turns(cursor, source, target, rows, plain=plain)
    update = f"r.\"{ACTION}\" = 'update'"
    conditions = [update]
    if turns.last or turns.stuck:
        turn = f"coalesce((SELECT any_value(w.turn) FROM waiting w WHERE {paired('w', 'r')}), 0)"
        conditions = [f"{update} AND {turn} = {number}" for number in range(turns.last + 1)]
    stored = identifiers([column.name for column in source.table.stored_columns])
    files: list[Path] = []

    def write(condition: str) -> None:
        files.append(folder / f"update-{len(files)}.parquet")
        cursor.execute(
            f"COPY (SELECT {stored} FROM {rows.relation} r WHERE {condition}) TO {literal(str(files[-1]))} {AS_PARQUET}"
        )

    for condition in conditions:
        write(condition)
    if turns.stuck and turns.aside is not None:
        files.append(folder / "aside.parquet")
        write_aside(cursor, target, f"(SELECT * FROM waiting WHERE turn = {_NONE})", turns.aside, files[-1])
        write(f"{update} AND {turn} = {_NONE}")
    return files


def _turns(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten, *, plain: bool
) -> _Turns:
    """The turns of the rows to update. The table `waiting` has those of all that do not go in the first."""
    uniques = _moved(cursor, source, target, rows)
    if not uniques:
        return _Turns(0, (), ())
    key = identifiers((KEY, NUMBER))
    moves = " UNION ".join(
        f"SELECT *, {which} AS which FROM ({_waits_for(rows, shared)})" for which, (_, shared) in enumerate(uniques)
    )
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE moves AS {moves}")
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE waiting AS SELECT DISTINCT {key}, 0 AS turn FROM moves")
    ways = [giving_way(cursor, source, target, unique) if plain else None for unique, _ in uniques]
    most = _FEW_TURNS if None not in ways else _TURNS
    left, last = _waiting(cursor), 0
    while left and last < most:
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
    cursor.execute(f"UPDATE waiting SET turn = {_NONE} WHERE turn = 0")
    stuck = cursor.execute(f"SELECT {identifier(KEY)} FROM waiting WHERE turn = {_NONE} ORDER BY 1").fetchall()
    chained = cursor.execute(
        f"""
        SELECT DISTINCT m.which FROM moves m
            JOIN waiting w ON {paired("m", "w")} AND w.turn = {_NONE}
            JOIN waiting o ON o.{identifier(KEY)} = m.holder AND o.{identifier(NUMBER)} = m.holder_number AND o.turn = {_NONE}
        ORDER BY 1
        """
    ).fetchall()
    aside = [ways[which] for (which,) in chained]
    able = tuple(dict.fromkeys(way for way in aside if way is not None))
    return _Turns(last, tuple(str(one)[:200] for (one,) in stuck), None if None in aside else able)


def _moved(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten
) -> list[tuple[UniqueKey | UniqueRule, SharedUnique]]:
    """The unique values in which rows to be updated may differ, as far as DuckDB can compute them."""
    table = source.table
    if not rows.updates:
        return []
    found = cursor.execute(f'SELECT DISTINCT unnest("{COLUMNS}") FROM {rows.updates_relation}').fetchall()
    changed = {str(name) for (name,) in found}
    moved: list[tuple[UniqueKey | UniqueRule, SharedUnique]] = []
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
            moved.append((unique, shared_key(cursor, source, target, rows, unique)))
    for rule in table.unique_rules if changed else ():
        with _what_only_the_server_computes():
            moved += [(rule, shared_rule(cursor, source, target, rows, rule))] if rule.terms else []
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
