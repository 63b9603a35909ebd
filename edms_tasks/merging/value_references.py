"""References by a value that is no id, such as a code: each must lead to the same row after the merge, or the plan says which does not.

A merge does not rewrite codes. They lead elsewhere if the row that had the code gets another one, if another row gets it, and if a code
that led to no row finds one. Foreign keys that the database follows by itself (ON UPDATE) are included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.value_equality import equal
from edms_tasks.identifying.meant_ids import tables_of_ids
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.identified_rows import NUMBER, Identified, paired
from edms_tasks.merging.matched_tables import Matched
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.row_rewriting import ACTION
from edms_tasks.quoting import identifier

_EXAMPLES = 3
_Found = list[tuple[str, str, str | None, str | None]]  # key, value, key of the row before, key of the row after


def value_reference_conflicts(
    cursor: duckdb.DuckDBPyConnection,
    matched: Matched,
    table: Table,
    policies: Mapping[str, Policy],
    *,
    own_edms: bool,
) -> list[Conflict]:
    """The conflicts of a table's references by value.

    Args:
        cursor: where to compute.
        matched: both sides' rows.
        table: the table that refers.
        policies: what happens to rows that are on both sides and differ, by table id.
        own_edms: whether the snapshot is of the target's EDMS: then codes of the target may find their row again.
    """
    conflicts = []
    rows, source = matched.rewritten[table.id], matched.sources[table.id]
    ours = f"{rows.relation} x JOIN {source.relation} w ON {paired('x', 'w')}"
    kept = "" if policies[table.id] == "overwrite" else f"AND x.\"{ACTION}\" <> 'update'"
    for reference in table.references:
        if not isinstance(reference, ForeignReference) or not _is_by_value(reference, matched):
            continue
        after = _after(matched, reference.target, policies)
        mine = _elsewhere(cursor, matched.sources, table, reference, after, ours, "w", kept)
        theirs = _elsewhere(
            cursor, matched.targets, table, reference, after, f"{_left(matched, table.id, policies)} x", "x"
        )
        if own_edms:
            theirs = [one for one in theirs if one[2] is not None]
        for whose, found in (("snapshot", mine), ("target", theirs)):
            for lost in (True, False):
                some = [one for one in found if (one[2] is not None) == lost]
                conflicts += [_conflict(matched, table, reference, whose, some)] if some else []
    return conflicts


def _is_by_value(reference: ForeignReference, matched: Matched) -> bool:
    target = matched.sources.get(reference.target)
    # What only the server can compare, or computes, shows when the merged rows are read back.
    return (
        target is not None
        and not reference.comparisons
        and not any(target.table.column(name).generated for name in reference.target_columns)
        and None in tables_of_ids(reference, target.side.tables)
    )


def _elsewhere(
    cursor: duckdb.DuckDBPyConnection,
    side: Mapping[str, Identified],
    table: Table,
    reference: ForeignReference,
    after: Sequence[tuple[str, Identified]],
    rows: str,
    was: str,
    condition: str = "",
) -> _Found:
    """A side's rows `x`, as they will be, that find another row `after` the merge than what they were (the alias `was`) found before."""
    found, before = side[table.id], side[reference.target]

    def leads(alias: str, to: str, there: Identified) -> str:
        columns = zip(reference.columns, reference.target_columns, strict=True)
        return " AND ".join(
            equal(f"{alias}.{identifier(c)}", found.storage(c), f"{to}.{identifier(p)}", there.storage(p))
            for c, p in columns
        )

    key, number = identifier(KEY), identifier(NUMBER)
    filled = " AND ".join(f"x.{identifier(column)} IS NOT NULL" for column in reference.columns)
    value = ", ".join(f"CAST({was}.{identifier(column)} AS VARCHAR)" for column in reference.columns)
    joins = [f"LEFT JOIN {rows_of} a{n} ON {leads('x', f'a{n}', there)}" for n, (rows_of, there) in enumerate(after)]
    now, now_number = (f"coalesce({', '.join(f'a{n}.{one}' for n, _ in enumerate(after))})" for one in (key, number))
    return cursor.execute(
        f"""
        SELECT x.{key}, concat_ws(', ', {value}), b.{key}, {now}
        FROM {rows}
            LEFT JOIN {before.relation} b ON {leads(was, "b", before)}
            {" ".join(joins)}
        WHERE {filled} {condition} AND (b.{key} IS DISTINCT FROM {now} OR b.{number} IS DISTINCT FROM {now_number})
        ORDER BY 1, 2
        """
    ).fetchall()


def _left(matched: Matched, table_id: str, policies: Mapping[str, Policy]) -> str:
    """SQL: the target's rows that the merge does not overwrite."""
    overwritten = f"SELECT 1 FROM {matched.rewritten[table_id].relation} o WHERE {paired('o', 't')} AND o.{written(policies[table_id])}"
    return f"(SELECT t.* FROM {matched.targets[table_id].relation} t WHERE NOT EXISTS ({overwritten}))"


def _after(
    matched: Matched, table_id: str, policies: Mapping[str, Policy]
) -> tuple[tuple[str, Identified], tuple[str, Identified]]:
    """SQL: a table's rows as they will be: those that are written and those that are left, each as its side stores values."""
    source, target = matched.sources[table_id], matched.targets[table_id]
    rows = f"(SELECT * FROM {matched.rewritten[table_id].relation} WHERE {written(policies[table_id])})"
    return (rows, source), (_left(matched, table_id, policies), target)


def _conflict(matched: Matched, table: Table, reference: ForeignReference, whose: str, found: _Found) -> Conflict:
    to, columns = matched.sources[reference.target].table.label, ", ".join(reference.columns)
    if found[0][2] is not None:
        message = f"Rows of the {whose} refer to {to} by {columns}, and would refer to another row or to none."
        fix = (
            f"Give the rows of {to} the same {', '.join(reference.target_columns)} in both systems, or choose the other policy for them "
            f"(--on-conflict {to}=keep or =overwrite)."
        )
    else:
        message = f"Rows of the {whose} have a {columns} that is of no {to} there, and is of one after the merge."
        fix = f"If it is another one in the other system: correct or empty the value in the {whose}. If it is the same: add the {to} there."
    return make_conflict(
        "reference-by-value",
        table.label,
        message,
        count=len(found),
        examples=tuple(
            f"{key}: {value} is of {was or 'no row'}, and then of {then or 'no row'}"[:300]
            for key, value, was, then in found[:_EXAMPLES]
        ),
        fix=fix,
    )
