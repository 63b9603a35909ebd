"""The plan of a merge, table by table: rows to insert, to update and to keep, and the conflicts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import duckdb
from pydantic import computed_field

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.identifying.comparable_columns import comparable
from edms_tasks.inventory.model import Table, Value
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.id_map import IdMap
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.row_rewriting import ACTION, COLUMNS, Rewritten
from edms_tasks.merging.search_coverage import SearchCoverage
from edms_tasks.quoting import identifier
from edms_tasks.redaction import Redaction

Policy = Literal["overwrite", "keep", "fail"]
_EXAMPLES = 3
_OF_SETTINGS = re.compile(r"(?:config|configuration|settings?|preferences?|options?|singleton|solo)$")


class ModelPlan(Value):
    """The plan for one table: numbers of rows, and a few examples."""

    table_id: str
    model: str
    snapshot_rows: int  # rows of the snapshot that are merged
    target_rows: int
    insert: int
    update: int
    keep: int  # rows that differ and stay as the target has them
    same: int
    only_in_target: int
    new_ids: int  # inserted rows whose id differs from the snapshot's
    orphaned: int  # dangling ids that are replaced, because a row of the target has them
    columns: dict[str, int]  # column -> updated (or kept) rows that differ in it
    inserts: tuple[str, ...]  # natural keys of the first few
    updates: tuple[str, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def led_nowhere(self) -> int:
        """The older name of `orphaned` in `--json`."""
        return self.orphaned


class FilePlan(Value):
    """The plan for one folder of files: numbers of files, bytes to be written, and a few examples."""

    root: str
    add: int
    replace: int
    keep: int  # files that differ and stay as the target has them
    same: int
    renamed: int  # files whose name changes, because it contains an id
    bytes: int  # of the files to be written
    additions: tuple[str, ...]
    replacements: tuple[str, ...]


class MergePlan(Value):
    """The plan for all tables and folders, and its conflicts."""

    snapshot_id: str
    target: str
    models: tuple[ModelPlan, ...]
    files: tuple[FilePlan, ...]
    conflicts: tuple[Conflict, ...]
    notes: tuple[str, ...] = ()
    looked: SearchCoverage = SearchCoverage()

    @property
    def writes(self) -> int:
        """The number of rows and files that the merge would write."""
        rows = sum(model.insert + model.update for model in self.models)
        return rows + sum(root.add + root.replace for root in self.files)

    def without_values(self, redaction: Redaction) -> MergePlan:
        """The plan without the examples in which there may be a value that is not to be shown."""
        models = [
            m.model_copy(update={"inserts": (), "updates": ()}) if redaction.hides_subject(m.table_id) else m
            for m in self.models
        ]
        conflicts = [
            c.model_copy(update={"examples": ()}) if redaction.hides_subject(c.model) else c for c in self.conflicts
        ]
        return self.model_copy(update={"models": tuple(models), "conflicts": tuple(conflicts)})


def written(policy: Policy) -> str:
    """SQL: the condition that a rewritten row is written to the target under this policy."""
    return f"\"{ACTION}\" IN ('insert', 'update')" if policy == "overwrite" else f"\"{ACTION}\" = 'insert'"


def plan_table(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    id_map: IdMap | None,
    policy: Policy,
    *,
    pairs: int,
) -> tuple[ModelPlan, list[Conflict]]:
    """The plan for a table, and its conflicts.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        target: the target's rows.
        rows: the snapshot's rows, rewritten for the target.
        id_map: their ids; None if the primary key is not a single column.
        policy: what happens to rows that are on both sides and differ.
        pairs: the number of rows that are on both sides.
    """
    table = source.table
    columns, updates = _updates(cursor, rows) if rows.updates else ({}, ())
    overwrites = policy == "overwrite"
    plan = ModelPlan(
        table_id=table.id,
        model=table.label,
        snapshot_rows=rows.rows,
        target_rows=target.rows,
        insert=rows.inserts,
        update=rows.updates if overwrites else 0,
        keep=0 if overwrites else rows.updates,
        same=rows.same,
        only_in_target=target.rows - pairs,
        new_ids=_new_ids(cursor, id_map, rows),
        orphaned=id_map.reserved if id_map and rows.rows else 0,
        columns=columns,
        inserts=_insert_examples(cursor, rows) if rows.inserts else (),
        updates=updates,
    )
    conflicts = [*_doubled(source, "the snapshot"), *_doubled(target, "the target"), *_unplaced(table, id_map)]
    if policy == "fail" and rows.updates:
        conflicts.append(
            make_conflict(
                "differs",
                table.label,
                "Rows of both systems differ.",
                count=rows.updates,
                examples=updates,
                fix=f"Choose: --on-conflict {table.label}=overwrite or --on-conflict {table.label}=keep.",
            )
        )
    conflicts += _singleton(source, target, rows)
    conflicts += _moved_keys(cursor, source, target, rows)
    return plan, conflicts


def _new_ids(cursor: duckdb.DuckDBPyConnection, id_map: IdMap | None, rows: Rewritten) -> int:
    if id_map is None or not id_map.moved:
        return 0
    pk = identifier(id_map.table.primary_key[0])
    row = cursor.execute(
        f"SELECT count(*) FROM {id_map.changed} n SEMI JOIN (SELECT * FROM {rows.relation} WHERE \"{ACTION}\" = 'insert') r "
        f"ON CAST(r.{pk} AS {id_map.kind}) = n.final WHERE NOT n.is_orphan"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    return int(row[0])


def _insert_examples(cursor: duckdb.DuckDBPyConnection, rows: Rewritten) -> tuple[str, ...]:
    found = cursor.execute(
        f"SELECT {identifier(KEY)} FROM {rows.relation} WHERE \"{ACTION}\" = 'insert' ORDER BY 1 LIMIT {_EXAMPLES}"
    ).fetchall()
    return tuple(str(key)[:200] for (key,) in found)


def _updates(cursor: duckdb.DuckDBPyConnection, rows: Rewritten) -> tuple[dict[str, int], tuple[str, ...]]:
    """How many rows to update differ in each column, and examples."""
    columns = cursor.execute(
        f'SELECT name, count(*) FROM (SELECT unnest("{COLUMNS}") AS name FROM {rows.updates_relation}) GROUP BY 1 ORDER BY 1'
    ).fetchall()
    found = cursor.execute(
        f"SELECT {identifier(KEY)}, array_to_string(\"{COLUMNS}\", ', ') FROM {rows.updates_relation} ORDER BY 1 LIMIT {_EXAMPLES}"
    ).fetchall()
    examples = tuple(f"{str(key)[:200]}: {names}" for key, names in found)
    return {str(name): int(count) for name, count in columns}, examples


def _doubled(rows: Identified, where: str) -> list[Conflict]:
    key = rows.side.keys.keys[rows.table.id]
    if key.natural_key is None or key.natural_key.source == "content" or not key.duplicates:
        return []
    return [
        make_conflict(
            "doubled-key",
            rows.table.label,
            f"Rows of {where} share a natural key ({key.natural_key.readable}), so they cannot be matched.",
            count=key.duplicates,
            fix=f"Fix them in the EDMS, or match by other fields: --key {rows.table.label}=FIELD,….",
        )
    ]


def _unplaced(table: Table, id_map: IdMap | None) -> list[Conflict]:
    if id_map is None or not id_map.unplaced:
        return []
    return [
        make_conflict(
            "no-id",
            table.label,
            f"New rows have a {table.primary_key[0]} that is taken in the target, and no other can be generated for them.",
            count=id_map.unplaced,
        )
    ]


def _moved_keys(
    cursor: duckdb.DuckDBPyConnection, source: Identified, target: Identified, rows: Rewritten
) -> list[Conflict]:
    """Rows whose primary key of several columns differs: a merge never changes it."""
    columns = source.table.primary_key
    if len(columns) < 2:
        return []
    differ = " OR ".join(
        f"{comparable(f'r.{identifier(c)}', source.storage(c), target.storage(c))} IS DISTINCT FROM "
        f"{comparable(f't.{identifier(c)}', target.storage(c), source.storage(c))}"
        for c in columns
    )
    found = cursor.execute(
        f"SELECT r.{identifier(KEY)} FROM {rows.relation} r JOIN {target.relation} t ON {paired('r', 't')} WHERE {differ} ORDER BY 1"
    ).fetchall()
    if not found:
        return []
    return [
        make_conflict(
            "id-differs",
            source.table.label,
            "Rows with the same natural key have another primary key in the target.",
            count=len(found),
            examples=tuple(str(key) for (key,) in found[:_EXAMPLES]),
        )
    ]


def _singleton(source: Identified, target: Identified, rows: Rewritten) -> list[Conflict]:
    """One row of settings on each side that nothing says to be the same."""
    key = source.side.keys.keys[source.table.id].natural_key
    nameless = key is None or key.source in ("content", "surrogate")
    one_each = source.rows == target.rows == rows.inserts == 1
    if not (nameless and one_each and _OF_SETTINGS.search(source.table.label.lower())):
        return []
    pk = ",".join(source.table.primary_key)
    return [
        make_conflict(
            "singleton",
            source.table.label,
            count=1,
            fix=f"If it is the one row of settings: --key {source.table.label}={pk}. Then --on-conflict decides which one stays.",
        )
    ]


def sorted_plans(plans: Mapping[str, ModelPlan]) -> tuple[ModelPlan, ...]:
    """The plans sorted by model; models with changes come first."""
    return tuple(sorted(plans.values(), key=lambda plan: (not (plan.insert + plan.update + plan.keep), plan.model)))
