"""Trees in a merge: their rows are matched without places, and written with the places that they get in the target.

Places (paths, numbers of nested sets, counts of children) are taken off both sides' rows when they are read, and off the
merged rows when they are read back: these are compared by names and parents. Whether the tree that was written is sound is
checked on the places themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.errors import MergeRefused
from edms_tasks.identifying.comparable_columns import carried
from edms_tasks.inventory.model import NaturalKey, Table
from edms_tasks.merging.conflicts import Conflict, make_conflict
from edms_tasks.merging.identified_rows import Identified, paired
from edms_tasks.merging.planning import Policy, written
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET
from edms_tasks.trees.label_paths import Labelled, with_label_paths
from edms_tasks.trees.nested_sets import NUMBERS, broken_intervals, number_nodes, without_numbers
from edms_tasks.trees.new_places import PLACES, broken_nodes, place_nodes
from edms_tasks.trees.tree_kinds import Tree, is_of_places, tree_of

_SHIFT = 2**31  # keeps the order of a tree's number and a node's in one


def find_trees(
    tables: Sequence[Table], keys: Mapping[str, NaturalKey | None], rows: Mapping[str, int], notes: list[str]
) -> tuple[dict[str, Tree], dict[str, NaturalKey | None]]:
    """The trees among the tables, and the keys by which all tables are matched: nodes by their path of names.

    Args:
        tables: the snapshot's.
        keys: the natural keys.
        rows: how many rows each table has in the snapshot.
        notes: gets a line for each tree.

    Raises:
        MergeRefused: nothing but its place tells a node from another.
    """
    trees, known = {}, dict(keys)
    for table in tables:
        tree, key = tree_of(table, keys[table.id]), keys[table.id]
        if tree is None or len(table.primary_key) != 1:
            continue
        trees[table.id] = tree
        if tree.kind == "nested":
            if is_of_places(tree, key):
                known[table.id] = None
            continue
        if key is not None and key.source in ("settings", "natural_key") and not is_of_places(tree, key):
            continue
        if not tree.labels:
            if rows.get(table.id):
                raise MergeRefused(
                    f"{table.label} is a tree whose nodes are known by nothing but their place, which is another in each system.",
                    where=table.id,
                    fix=f"Name fields that tell a node from its siblings: --key {table.label}=FIELD,….",
                )
            continue
        readable = f"path of {', '.join(tree.labels)} in the tree"
        known[table.id] = NaturalKey(source="unique", paths=((tree.columns[0],),), readable=readable)
        notes.append(
            f"{table.label} is a tree: its rows are matched by the {readable}, and their places are made anew."
        )
    return trees, known


def without_places(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, tree: Tree, folder: Path
) -> Labelled:
    """A side's rows without the numbers of its places, written into `folder` (created)."""
    folder.mkdir(parents=True)
    strip = with_label_paths if tree.kind == "path" else without_numbers
    return strip(cursor, table, raw, tree, folder)


def tree_conflicts(
    cursor: duckdb.DuckDBPyConnection,
    tree: Tree,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    sides: tuple[Labelled, Labelled],
    policy: Policy,
) -> list[Conflict]:
    """What stands in the way of placing a tree's rows; `sides` are those of the snapshot and of the target."""
    if not _any_written(rows, policy):
        return []
    label = source.table.label
    broken = broken_nodes(cursor, sides[1].nodes, sides[1].step) if tree.kind == "path" else 0
    if tree.kind == "nested":
        if tree.parent is None:
            return [make_conflict("tree-unsupported", label, count=rows.inserts + rows.updates)]
        broken = broken_intervals(cursor, sides[1].nodes)
    if broken:
        return [make_conflict("tree-broken", label, count=broken)]
    moved = _moved(cursor, tree, source, target, rows) if tree.kind == "path" and policy == "overwrite" else 0
    if moved:
        return [make_conflict("tree-moved", label, count=moved)]
    lost = _place(cursor, tree, source, target, rows, sides, policy)
    return [make_conflict("tree-parent", label, count=lost)] if lost else []


def with_places(
    cursor: duckdb.DuckDBPyConnection,
    tree: Tree,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    sides: tuple[Labelled, Labelled],
    policy: Policy,
    folder: Path,
) -> tuple[Rewritten, Path | None]:
    """The rows to write with their places, and a file of the target's other rows whose numbers change with them."""
    if not _any_written(rows, policy):
        return rows, None
    folder.mkdir(parents=True)
    _place(cursor, tree, source, target, rows, sides, policy)
    join, values, changed = (
        _path_values(tree, source) if tree.kind == "path" else _nested_values(tree, source, sides[1])
    )
    replaced = ", ".join(f"{value} AS {identifier(column)}" for column, value in values.items())
    placed, others = folder / "rows.parquet", folder / "others.parquet"
    cursor.execute(
        f"COPY (SELECT r.* REPLACE ({replaced}) FROM (SELECT * FROM {rows.relation} WHERE {written(policy)}) r "
        f"JOIN {join.format(alias='r')}) TO {literal(str(placed))} {AS_PARQUET}"
    )
    stored = identifiers([column.name for column in source.table.stored_columns])
    cursor.execute(
        f"COPY (SELECT {stored} FROM (SELECT t.* REPLACE ({replaced}) FROM {target.relation} t JOIN {join.format(alias='t')} "
        f"WHERE {changed} AND NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND o.{written(policy)}))) "
        f"TO {literal(str(others))} {AS_PARQUET}"
    )
    (count,) = cursor.execute(f"SELECT count(*) FROM read_parquet({literal(str(others))})").fetchall()[0]
    updates = rows.updates if policy == "overwrite" else 0
    return Rewritten(placed, rows.updated, rows.inserts, updates, 0), others if count else None


def broken_places(cursor: duckdb.DuckDBPyConnection, tree: Tree, merged: Labelled) -> int:
    """How many nodes of the merged tree are not where they should be."""
    if tree.kind == "path":
        return broken_nodes(cursor, merged.nodes, merged.step)
    return broken_intervals(cursor, merged.nodes) if tree.parent else 0


def _any_written(rows: Rewritten, policy: Policy) -> bool:
    return bool(rows.inserts or (rows.updates and policy == "overwrite"))


def _place(
    cursor: duckdb.DuckDBPyConnection,
    tree: Tree,
    source: Identified,
    target: Identified,
    rows: Rewritten,
    sides: tuple[Labelled, Labelled],
    policy: Policy,
) -> int:
    """Make the places of all nodes; returns the number of those that have none."""
    mine, theirs = sides
    if tree.kind == "path":
        if source.rows and target.rows and mine.step != theirs.step:
            raise MergeRefused(
                f"The paths of the tree {source.table.label} have steps of another length in the target.",
                where=source.table.id,
                fix="Nothing was changed. Restore the snapshot with --into instead.",
            )
        labels = _text(source, tree.columns[0], "r")
        new = (
            f"(SELECT n.labels, n.path AS sort FROM {mine.nodes} n SEMI JOIN "
            f"(SELECT {labels} AS labels FROM {rows.relation} r WHERE \"{ACTION}\" = 'insert') r USING (labels))"
        )
        step = theirs.step if target.rows else mine.step
        return place_nodes(cursor, source.table, there=theirs.nodes, new=new, step=step)
    assert tree.parent is not None  # tree_conflicts() refuses others
    pk = source.table.primary_key[0]
    sort = f'n.tree * {_SHIFT} + n."left"'
    nodes = f"""(
        SELECT n.id, n.parent, n.tree, {sort} AS sort, false AS is_new
        FROM {theirs.nodes} n ANTI JOIN (SELECT {_text(source, pk, "r")} AS id FROM {rows.relation} r WHERE {written(policy)}) w USING (id)
        UNION ALL
        SELECT {_text(source, pk, "r")}, {_text(source, tree.parent, "r")}, t.tree,
            coalesce(t.tree * {_SHIFT} + t."left", {sort}), t.id IS NULL
        FROM (SELECT * FROM {rows.relation} WHERE {written(policy)}) r
            JOIN {source.relation} s ON {paired("r", "s")}
            JOIN {mine.nodes} n ON n.id = {_text(source, pk, "s")}
            LEFT JOIN {theirs.nodes} t ON t.id = {_text(source, pk, "r")}
    )"""
    return number_nodes(cursor, nodes)


def _path_values(tree: Tree, source: Identified) -> tuple[str, dict[str, str], str]:
    """The join of a row (`{alias}`) with its place, the values of its columns, and which of the target's others change."""
    path, _, children = tree.columns
    labels = _text(source, path, "@alias@").replace('"@alias@"', "{alias}")
    values = {
        path: carried("p.path", source.held(path)),
        children: carried("CAST(p.children AS VARCHAR)", source.held(children)),
    }
    changed = "p.children <> p.counted AND p.labels IN (SELECT above FROM tree_new)"
    return f"{PLACES} p ON p.labels = {labels}", values, changed


def _nested_values(tree: Tree, source: Identified, theirs: Labelled) -> tuple[str, dict[str, str], str]:
    pk = _text(source, source.table.primary_key[0], "@alias@").replace('"@alias@"', "{alias}")
    names = ("left", "right", "tree", "level")
    values = {
        column: carried(f'CAST(p."{name}" AS VARCHAR)', source.held(column))
        for column, name in zip(tree.columns, names, strict=True)
    }
    differs = " OR ".join(f'p."{name}" <> w."{name}"' for name in names)
    changed = f"EXISTS (SELECT 1 FROM {theirs.nodes} w WHERE w.id = p.id AND ({differs}))"
    return f"{NUMBERS} p ON p.id = {pk}", values, changed


def _moved(
    cursor: duckdb.DuckDBPyConnection, tree: Tree, source: Identified, target: Identified, rows: Rewritten
) -> int:
    """Rows of both sides that are at another place of the tree in the target."""
    here, there = _text(source, tree.columns[0], "r"), _text(target, tree.columns[0], "t")
    (count,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT * FROM {rows.relation} WHERE \"{ACTION}\" = 'update') r "
        f"JOIN {target.relation} t ON {paired('r', 't')} WHERE {here} <> {there}"
    ).fetchall()[0]
    return int(count)


def _text(rows: Identified, column: str, alias: str) -> str:
    held = rows.held(column)
    return text_value(column, held.kind, "tagged" if held.tagged else "native", alias=alias)
