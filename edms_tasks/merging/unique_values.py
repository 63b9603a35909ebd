"""Values that the target keeps unique: rows that would share one are a conflict; what only the database can compare is said."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.inventory.model import Table, UniqueKey
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.row_rewriting import Rewritten
from edms_tasks.merging.shared_uniques import SharedUnique, shared_key, shared_rule
from edms_tasks.quoting import identifier

_EXAMPLES = 3


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
    for unique in _uniques(source.table):
        try:
            shared = shared_key(cursor, source, target, rows, unique)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            if not unique.condition:
                raise
            said.append(_unknown(source, unique.name, f"its condition ({unique.condition})"))
            continue
        conflicts += _conflict(source, shared, _sharing(cursor, rows, shared, policy))
        said += _uncomputed(source, shared)
    told = {conflict.message for conflict in conflicts}
    for rule in source.table.unique_rules:
        if not rule.terms:
            said.append(_unknown(source, rule.name, "which rows it takes for equal"))
            continue
        try:
            shared = shared_rule(cursor, source, target, rows, rule)
            found = _conflict(source, shared, _sharing(cursor, rows, shared, policy))
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            said.append(_unknown(source, rule.name, f"its terms ({', '.join(rule.terms)})"))
            continue
        conflicts += [conflict for conflict in found if conflict.message not in told]
        said += _uncomputed(source, shared)
    return conflicts, said


def _uniques(table: Table) -> list[UniqueKey]:
    """What rows cannot share. A taken primary key of one column is replaced by another; of several columns, it is not."""
    found = [one for one in table.unique_keys if one.columns and one.columns != table.primary_key]
    return [UniqueKey(name="primary key", columns=table.primary_key), *found] if len(table.primary_key) > 1 else found


def _unknown(source: Identified, name: str, what: str) -> str:
    return (
        f"{source.table.label}: whether rows violate the unique index {name} shows only when they are written. Only the database can "
        f"compute {what}."
    )


def _uncomputed(source: Identified, shared: SharedUnique) -> list[str]:
    return [_unknown(source, shared.name, f"its columns ({', '.join(shared.unknown)})")] if shared.unknown else []


def _sharing(
    cursor: duckdb.DuckDBPyConnection, rows: Rewritten, shared: SharedUnique, policy: Policy
) -> list[tuple[str, str, str]]:
    """(key of the snapshot's row, key of the target's row, value) of rows to be written that would share a value with another row."""
    overwritten = f"AND o.{written(policy)}"
    return cursor.execute(
        f"""
        SELECT r.{identifier(KEY)}, t.{identifier(KEY)}, {shared.shown}
        FROM (SELECT * FROM {shared.ours} WHERE {written(policy)}) r
            JOIN (
                SELECT * FROM {shared.theirs} t
                WHERE NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired("o", "t")} {overwritten})
            ) t ON {" AND ".join(shared.conditions)} AND NOT ({paired("r", "t")})
        ORDER BY 1, 2
        """
    ).fetchall()


def _conflict(source: Identified, shared: SharedUnique, found: Sequence[tuple[str, str, str]]) -> list[Conflict]:
    if not found:
        return []
    return [
        make_conflict(
            "unique",
            source.table.label,
            f"Rows of the snapshot have the {shared.what} of other rows of the target ({shared.name}).",
            count=len(found),
            examples=tuple(f"{ours} and {theirs}: {value}"[:300] for ours, theirs, value in found[:_EXAMPLES]),
        )
    ]
