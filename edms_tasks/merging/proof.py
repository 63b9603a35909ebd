"""The proof of a merge, on rows read back before the commit: nothing else changed, and everything points where it did.

Two things are proved apart. *As planned*: every row is, column by column, what the plan says or what the target held. *As
it was*: identities are computed anew on the merged rows, and every row of the snapshot says the same there, with each
reference at the row of the same identity, whatever the ids are. The second knows nothing of how ids were rewritten.
"""

from __future__ import annotations

import duckdb

from edms_tasks.canonical import CONTENT, digest_hex, digest_sums, with_hashes
from edms_tasks.databases.quoting import identifier
from edms_tasks.inventory.model import Value
from edms_tasks.merging.comparison import same
from edms_tasks.merging.pairing import Identified, paired
from edms_tasks.merging.planning import ModelPlan, Policy, written
from edms_tasks.merging.rewriting import ACTION, Rewritten
from edms_tasks.merging.sides import content_texts
from edms_tasks.table_state import KEY

_EXAMPLES = 5


class MergedTable(Value):
    """What was found in a table after the merge."""

    model: str
    rows: int
    rows_expected: int
    snapshot_rows: int  # of the snapshot, kept ones left out
    snapshot_digest: str  # over what those rows say, references by identity; 32 hex digits
    merged_digest: str  # the same over their pairs among the merged rows
    problems: tuple[str, ...]


def prove_as_planned(
    cursor: duckdb.DuckDBPyConnection,
    target: Identified,
    rows: Rewritten,
    source: Identified,
    merged: Identified,
    plan: ModelPlan,
    policy: Policy,
) -> list[str]:
    """What is not as planned: rows too many or too few, and columns with other values than planned, each in a sentence."""
    table = target.table
    expected = plan.target_rows + plan.insert
    problems = []
    if merged.rows != expected:
        problems.append(f"{table.label} should have {expected} rows and has {merged.rows}")
    if not table.primary_key:
        return problems
    overwritten = f"SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND o.{written(policy)}"
    kept = f"(SELECT * FROM {target.relation} t WHERE NOT EXISTS ({overwritten}))"
    brought = f"(SELECT * FROM {rows.relation} WHERE {written(policy)})"
    for what, held, relation in (("the target's", target, kept), ("the snapshot's", source, brought)):
        by_id = " AND ".join(
            same(f"e.{identifier(c)}", held.held(c), f"m.{identifier(c)}", merged.held(c)) for c in table.primary_key
        )
        equal = " AND ".join(
            f"({same(f'e.{identifier(c.name)}', held.held(c.name), f'm.{identifier(c.name)}', merged.held(c.name))})"
            for c in table.stored_columns
        )
        found = cursor.execute(
            f"SELECT e.{identifier(KEY)}, count(*) OVER () FROM {relation} e "
            f"WHERE NOT EXISTS (SELECT 1 FROM {merged.relation} m WHERE {by_id} AND {equal}) ORDER BY 1 LIMIT {_EXAMPLES}"
        ).fetchall()
        if found:
            examples = ", ".join(str(key)[:200] for key, _ in found)
            problems.append(f"{table.label}: {found[0][1]} of {what} rows are not as planned: {examples}")
    return problems


def prove_as_it_was(
    cursor: duckdb.DuckDBPyConnection, source: Identified, rows: Rewritten, merged: Identified, plan: ModelPlan
) -> MergedTable:
    """Hold what the snapshot's rows say against what their pairs among the merged rows say."""
    table = source.table
    kept = (
        f"SELECT 1 FROM {rows.relation} o WHERE {paired('o', 's')} AND o.\"{ACTION}\" = 'update'" if plan.keep else ""
    )
    chosen = f"(SELECT * FROM {source.relation} s{f' WHERE NOT EXISTS ({kept})' if kept else ''})"
    said = with_hashes(chosen, common=(), exact=(), content=content_texts(source.side, merged.side, table))
    found_again = with_hashes(
        merged.relation, common=(), exact=(), content=content_texts(merged.side, source.side, table)
    )
    pairs = f"({said}) s LEFT JOIN ({found_again}) m ON {paired('s', 'm')}"
    row = cursor.execute(
        f"SELECT count(*), {digest_sums(f's.{CONTENT}')}, count(m.{identifier(KEY)}), {digest_sums(f'm.{CONTENT}')} FROM {pairs}"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    count, upper, lower, again, upper_again, lower_again = (int(value) for value in row)
    problems = []
    if (count, upper, lower) != (again, upper_again, lower_again):
        examples = cursor.execute(
            f"SELECT s.{identifier(KEY)} FROM {pairs} WHERE m.{CONTENT} IS DISTINCT FROM s.{CONTENT} ORDER BY 1 LIMIT {_EXAMPLES}"
        ).fetchall()
        problems.append(
            f"{table.label}: rows of the snapshot do not say in the target what they said: "
            + ", ".join(str(key)[:200] for (key,) in examples)
        )
    return MergedTable(
        model=table.label,
        rows=merged.rows,
        rows_expected=plan.target_rows + plan.insert,
        snapshot_rows=count,
        snapshot_digest=digest_hex(upper, lower),
        merged_digest=digest_hex(upper_again, lower_again),
        problems=tuple(problems),
    )


def prove_still_there(
    cursor: duckdb.DuckDBPyConnection, target: Identified, rows: Rewritten, merged: Identified, policy: Policy
) -> list[str]:
    """Rows of the target that were not overwritten say what they said, with their references where they were."""
    overwritten = f"SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND o.{written(policy)}"
    kept = f"(SELECT * FROM {target.relation} t WHERE NOT EXISTS ({overwritten}))"
    said = with_hashes(kept, common=(), exact=(), content=content_texts(target.side, merged.side, target.table))
    again = with_hashes(
        merged.relation, common=(), exact=(), content=content_texts(merged.side, target.side, target.table)
    )
    pk = " AND ".join(
        same(f"t.{identifier(c)}", target.held(c), f"m.{identifier(c)}", merged.held(c))
        for c in target.table.primary_key
    )
    found = cursor.execute(
        f"SELECT t.{identifier(KEY)}, count(*) OVER () FROM ({said}) t "
        f"WHERE NOT EXISTS (SELECT 1 FROM ({again}) m WHERE {pk or paired('t', 'm')} AND m.{CONTENT} = t.{CONTENT}) "
        f"ORDER BY 1 LIMIT {_EXAMPLES}"
    ).fetchall()
    if not found:
        return []
    examples = ", ".join(str(key)[:200] for key, _ in found)
    return [
        f"{target.table.label}: {found[0][1]} rows that only the target has no longer say what they said: {examples}"
    ]
