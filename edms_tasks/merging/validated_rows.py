"""The validation of a merge, on rows read back before the commit: nothing else changed, and every reference leads to the same row.

Two things are validated separately. *As planned*: the table's exact digest equals that of the rows that the plan writes and of
those that it leaves. *As it was*: identities are computed again from the merged rows, and every row of the snapshot has the same
content there, with each reference leading to the row of the same identity, whatever its id. The second check does not use the id
map.
"""

from __future__ import annotations

import duckdb

from edms_tasks.digests.canonical import EMPTY_DIGEST, digest_hex
from edms_tasks.digests.chunk_columns import KEY, content_column, reference_column
from edms_tasks.identifying.sides import DANGLES, DANGLING
from edms_tasks.inventory.model import SoftReference, Table, Value
from edms_tasks.merging.identified_rows import CONTENT, EXACT, Identified, paired, same_row
from edms_tasks.merging.planning import ModelPlan, Policy, written
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, literal

_EXAMPLES = 5
_KEY, _EXACT, _CONTENT = identifier(KEY), identifier(EXACT), identifier(CONTENT)


class MergedTable(Value):
    """The result of validating one table after the merge: `problems` is empty if it is as planned."""

    model: str
    rows: int
    rows_expected: int
    exact_digest: str  # of all rows, 32 hex digits
    expected_digest: str  # of the rows that the plan writes and of those that it leaves
    snapshot_rows: int  # of the snapshot, without those that the policy keeps as the target has them
    snapshot_digest: str  # over their values, references by identity
    merged_digest: str  # the same over their pairs among the merged rows
    problems: tuple[str, ...]


def validate_table(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    merged: Identified,
    rows: Rewritten,
    plan: ModelPlan,
    policy: Policy,
    *,
    own_edms: bool = False,
    named: bool = True,
) -> MergedTable:
    """Validate one table.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        target: the target's rows, as they were.
        merged: the target's rows, as they are.
        rows: the snapshot's rows as they were to be written.
        plan: the table's plan.
        policy: what happens to rows that are on both sides and differ.
        own_edms: whether the snapshot is of the target's EDMS: then dangling references may lead to their row again.
        named: whether problems may name rows by their natural keys.
    """
    label = source.table.label
    overwritten = f"SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND o.{written(policy)}"
    left = f"(SELECT {_KEY}, {_EXACT}, {_CONTENT} FROM {target.relation} t WHERE NOT EXISTS ({overwritten}))"
    written_rows = f"(SELECT {_KEY}, {_EXACT} FROM {rows.relation} WHERE {written(policy)})"
    kept = f"WHERE NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired('o', 's')} AND o.\"{ACTION}\" = 'update')"
    some = f"SEMI JOIN {rows.relation} r ON {paired('s', 'r')}" if rows.rows != source.rows else ""
    said = f"(SELECT s.* FROM {source.relation} s {some} {kept if plan.keep else ''})"
    pairs = f"(SELECT m.* FROM {merged.relation} m SEMI JOIN {said} s ON {paired('m', 's')})"
    planned = f"SELECT {_EXACT} FROM {left} UNION ALL SELECT {_EXACT} FROM {written_rows}"
    (expected, expected_digest), (found, exact_digest), (count, snapshot_digest), (again, merged_digest) = _digests(
        cursor,
        planned,
        f"SELECT {_EXACT} FROM {merged.relation}",
        f"SELECT {_CONTENT} FROM {said}",
        f"SELECT {_CONTENT} FROM {pairs}",
    )
    problems = []
    if (found, exact_digest) != (expected, expected_digest) or found != plan.target_rows + plan.insert:
        problems += [
            f"{label}: rows are not as planned: {found} instead of {expected}",
            *_missing(cursor, label, "the target's", left, merged.relation, (_EXACT,), named=named),
            *_missing(cursor, label, "the snapshot's", written_rows, merged.relation, (_EXACT,), named=named),
        ]
    if (count, snapshot_digest) != (again, merged_digest):
        problems += [
            f"{label}: rows of the snapshot are not the same in the target",
            *_missing(cursor, label, "the snapshot's", said, merged.relation, (_KEY, _CONTENT), named=named),
        ]
    # In rows that were equal on both sides, a dangling reference may lead to a row that the merge restored.
    own = f"(SELECT t.* FROM {left} t ANTI JOIN {source.relation} s ON {same_row('t', 's')})"
    shared = (
        f"(SELECT t.{_KEY}, t.{_EXACT}, s.{_CONTENT} FROM {left} t JOIN {source.relation} s ON {same_row('t', 's')})"
    )
    changed = f"(SELECT t.* FROM {left} t ANTI JOIN {merged.relation} m ON {same_row('t', 'm')} AND t.{_CONTENT} = m.{_CONTENT})"
    restored = f"(SELECT x.* FROM {shared} x SEMI JOIN {changed} c ON {same_row('x', 'c')})"
    if cursor.execute(f"SELECT 1 FROM {changed} LIMIT 1").fetchall():  # without any, no row of either kind is missing
        if own_edms:
            own = _without_restored_references(source.table, own, target.relation, merged.relation)
        problems += _missing(cursor, label, "the target's own", own, merged.relation, (_EXACT, _CONTENT), named=named)
        problems += _missing(cursor, label, "the target's", restored, merged.relation, (_EXACT, _CONTENT), named=named)
    return MergedTable(
        model=label,
        rows=found,
        rows_expected=expected,
        exact_digest=exact_digest,
        expected_digest=expected_digest,
        snapshot_rows=count,
        snapshot_digest=snapshot_digest,
        merged_digest=merged_digest,
        problems=tuple(problems),
    )


def _digests(cursor: duckdb.DuckDBPyConnection, *queries: str) -> list[tuple[int, str]]:
    """For each query for MD5s in hex: the number of its rows, and their digest, the sums of their halves. All in one statement."""
    numbered = " UNION ALL ".join(
        f"SELECT {number} AS which, hash FROM ({query}) q(hash)" for number, query in enumerate(queries)
    )
    halves = ", ".join(
        f"sum(CAST('0x' || hash[{begin}:{begin + 15}] AS UBIGINT)) % 18446744073709551616" for begin in (1, 17)
    )
    counted = f"SELECT which, count(*), {halves} FROM ({numbered}) GROUP BY which"
    found = {
        which: (int(rows), digest_hex(upper, lower)) for which, rows, upper, lower in cursor.execute(counted).fetchall()
    }
    return [found.get(number, (0, EMPTY_DIGEST)) for number in range(len(queries))]


def _without_restored_references(table: Table, own: str, target: str, merged: str) -> str:
    """The target's own rows, without those in which only a dangling reference changed: it leads to a row again."""
    plain = [reference_column(one.name) for one in table.references if not isinstance(one, SoftReference)]
    soft = [*map(content_column, table.soft_columns)]
    again = [
        f"(b.{c} IS NOT DISTINCT FROM m.{c} OR starts_with(b.{c}, {literal(DANGLES)}))" for c in map(identifier, plain)
    ]
    again += [
        f"(b.{c} IS NOT DISTINCT FROM m.{c} OR contains(b.{c}, {literal(DANGLING)}))" for c in map(identifier, soft)
    ]
    if not again:
        return own
    found = f"SELECT b.{_EXACT} FROM {target} b JOIN {merged} m ON m.{_EXACT} = b.{_EXACT} AND {' AND '.join(again)}"
    return f"(SELECT x.* FROM {own} x WHERE x.{_EXACT} NOT IN ({found}))"


def _missing(
    cursor: duckdb.DuckDBPyConnection,
    label: str,
    whose: str,
    rows: str,
    merged: str,
    by: tuple[str, ...],
    *,
    named: bool,
) -> list[str]:
    """A sentence about rows that are missing after the merge."""
    same = " AND ".join(f"e.{column} = m.{column}" for column in by)
    found = cursor.execute(
        f"SELECT e.{_KEY}, count(*) OVER () FROM {rows} e ANTI JOIN {merged} m ON {same} ORDER BY 1 LIMIT {_EXAMPLES}"
    ).fetchall()
    if not found:
        return []
    examples = f": {', '.join(str(key)[:200] for key, _ in found)}" if named else ""
    return [f"{label}: {found[0][1]} of {whose} rows are wrong or missing{examples}"]
