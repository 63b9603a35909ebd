"""The merge of trees: rows are matched without their positions, and written with the positions that they get in the target.

Positions (paths, numbers of nested sets, counts of children) are removed from both sides' rows when they are read, and from the
merged rows when they are read back; these are compared by names and parents. The written tree is checked by its positions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.errors import MergeRefused
from edms_tasks.identifying.comparable_columns import as_stored
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


@dataclass(frozen=True)
class TreeMerge:
    """The merge of a table that is a tree: both sides' rows, and the positions of their nodes."""

    tree: Tree
    source: Identified  # the snapshot's rows
    target: Identified
    rows: Rewritten  # the snapshot's rows, rewritten for the target
    mine: Labelled  # the positions in the snapshot
    theirs: Labelled  # the positions in the target
    policy: Policy

    @property
    def by_numbers(self) -> bool:
        """Whether nothing but the numbers of nested sets says what a node's parent is."""
        return self.tree.kind == "nested" and self.tree.parent is None

    @property
    def updates(self) -> int:
        """The number of rows to update under the policy."""
        return self.rows.updates if self.policy == "overwrite" else 0

    @property
    def writes(self) -> bool:
        """Whether any row is written."""
        return bool(self.rows.inserts or self.updates)


def find_trees(
    tables: Sequence[Table], keys: Mapping[str, NaturalKey | None], rows: Mapping[str, int], notes: list[str]
) -> tuple[dict[str, Tree], dict[str, NaturalKey | None]]:
    """The trees among the tables, and all tables' keys for matching: nodes are identified by the path of their names.

    Args:
        tables: the snapshot's tables.
        keys: their natural keys, by table id.
        rows: the number of rows in the snapshot, by table id.
        notes: gets a line for each tree.

    Raises:
        MergeRefused: nothing but its position identifies a node.
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
                    f"{table.label} is a tree whose nodes are identified only by their position, which differs between systems.",
                    where=table.id,
                    fix=f"Name fields that distinguish siblings: --key {table.label}=FIELD,….",
                )
            continue
        readable = f"path of {', '.join(tree.labels)} in the tree"
        known[table.id] = NaturalKey(source="unique", paths=((tree.columns[0],),), readable=readable)
        notes.append(
            f"{table.label} is a tree: its rows are matched by the {readable}, and their positions are computed."
        )
    return trees, known


def without_places(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, tree: Tree, folder: Path
) -> Labelled:
    """Write a side's rows without their positions into `folder`, which is created."""
    folder.mkdir(parents=True)
    strip = with_label_paths if tree.kind == "path" else without_numbers
    return strip(cursor, table, raw, tree, folder)


def tree_conflicts(cursor: duckdb.DuckDBPyConnection, merge: TreeMerge) -> list[Conflict]:
    """What prevents the merge of a tree's rows: an unknown kind of tree, a broken tree, moved nodes, missing parents.

    Raises:
        MergeRefused: the paths of the two trees cannot be combined.
    """
    tree, label, theirs = merge.tree, merge.source.table.label, merge.theirs
    if merge.by_numbers and merge.policy == "overwrite" and (moved := _under_others(cursor, merge, theirs.nodes)):
        return [make_conflict("tree-moved", label, count=moved)]
    if not merge.writes:
        return []
    broken = broken_nodes(cursor, theirs.nodes, theirs.step) if tree.kind == "path" else 0
    if tree.kind == "nested":
        if merge.by_numbers and is_of_places(tree, merge.source.side.keys.keys[merge.source.table.id].natural_key):
            return [make_conflict("tree-unsupported", label, count=merge.rows.inserts + merge.rows.updates)]
        broken = broken_intervals(cursor, theirs.nodes)
    if broken:
        return [make_conflict("tree-broken", label, count=broken)]
    moved = _moved(cursor, merge) if tree.kind == "path" and merge.policy == "overwrite" else 0
    if moved:
        return [make_conflict("tree-moved", label, count=moved)]
    lost = _place(cursor, merge)
    return [make_conflict("tree-parent", label, count=lost)] if lost else []


def with_places(cursor: duckdb.DuckDBPyConnection, merge: TreeMerge, folder: Path) -> tuple[Rewritten, Path | None]:
    """The rows to write with their positions, and a file of the target's other rows whose numbers change with them.

    Args:
        cursor: where to compute.
        merge: the tree, without conflicts.
        folder: for the files; created if there are any.
    """
    if not merge.writes:
        return merge.rows, None
    folder.mkdir(parents=True)
    _place(cursor, merge)
    join, values, changed = _path_values(merge) if merge.tree.kind == "path" else _nested_values(merge)
    replaced = ", ".join(f"{value} AS {identifier(column)}" for column, value in values.items())
    placed, others = folder / "rows.parquet", folder / "others.parquet"
    rows, is_written = merge.rows, written(merge.policy)
    cursor.execute(
        f"COPY (SELECT r.* REPLACE ({replaced}) FROM (SELECT * FROM {rows.relation} WHERE {is_written}) r "
        f"JOIN {join.format(alias='r')}) TO {literal(str(placed))} {AS_PARQUET}"
    )
    stored = identifiers([column.name for column in merge.source.table.stored_columns])
    cursor.execute(
        f"COPY (SELECT {stored} FROM (SELECT t.* REPLACE ({replaced}) FROM {merge.target.relation} t JOIN {join.format(alias='t')} "
        f"WHERE {changed} AND NOT EXISTS (SELECT 1 FROM {rows.relation} o WHERE {paired('o', 't')} AND o.{is_written}))) "
        f"TO {literal(str(others))} {AS_PARQUET}"
    )
    (count,) = cursor.execute(f"SELECT count(*) FROM read_parquet({literal(str(others))})").fetchall()[0]
    return Rewritten(placed, rows.updated, rows.inserts, merge.updates, 0), others if count else None


def broken_places(cursor: duckdb.DuckDBPyConnection, merge: TreeMerge, merged: Labelled) -> int:
    """The number of nodes of the merged tree with a wrong position."""
    if merge.tree.kind == "path":
        return broken_nodes(cursor, merged.nodes, merged.step)
    misplaced = _under_others(cursor, merge, merged.nodes, written(merge.policy)) if merge.by_numbers else 0
    return broken_intervals(cursor, merged.nodes) + misplaced


def _place(cursor: duckdb.DuckDBPyConnection, merge: TreeMerge) -> int:
    """Compute the positions of all nodes; returns the number of nodes that have none."""
    source, rows, mine, theirs = merge.source, merge.rows, merge.mine, merge.theirs
    if merge.tree.kind == "path":
        if source.rows and merge.target.rows and mine.step != theirs.step:
            raise MergeRefused(
                f"The paths of the tree {source.table.label} have steps of another length in the target.",
                where=source.table.id,
                fix="Nothing was changed. Restore the snapshot with --into instead.",
            )
        labels = source.text(merge.tree.columns[0], "r")
        new = (
            f"(SELECT n.labels, n.path AS sort FROM {mine.nodes} n SEMI JOIN "
            f"(SELECT {labels} AS labels FROM {rows.relation} r WHERE \"{ACTION}\" = 'insert') r USING (labels))"
        )
        step = theirs.step if merge.target.rows else mine.step
        return place_nodes(cursor, source.table, there=theirs.nodes, new=new, step=step)
    pk, is_written = source.table.primary_key[0], written(merge.policy)
    sort = f'n.tree * {_SHIFT} + n."left"'
    parent = source.text(merge.tree.parent, "r") if merge.tree.parent else _FINAL_PARENT
    nodes = f"""(
        SELECT n.id, n.parent, n.tree, {sort} AS sort, false AS is_new
        FROM {theirs.nodes} n ANTI JOIN (SELECT {source.text(pk, "r")} AS id FROM {rows.relation} r WHERE {is_written}) w USING (id)
        UNION ALL
        -- A node that was below another one and becomes a root is none of that tree any more.
        SELECT {source.text(pk, "r")}, {parent}, CASE WHEN t.parent IS NULL THEN t.tree END,
            coalesce(t.tree * {_SHIFT} + t."left", {sort}), t.id IS NULL
        FROM (SELECT * FROM {rows.relation} WHERE {is_written}) r
            JOIN {source.relation} s ON {paired("r", "s")}
            JOIN {mine.nodes} n ON n.id = {source.text(pk, "s")}
            LEFT JOIN {theirs.nodes} t ON t.id = {source.text(pk, "r")}
            LEFT JOIN {_finals(merge)} f ON f.source = n.parent
    )"""
    return number_nodes(cursor, nodes)


# A parent that is not merged has no position in the target: its id is that of no node.
_FINAL_PARENT = "CASE WHEN n.parent IS NOT NULL THEN coalesce(f.final, '?' || n.parent) END"


def _finals(merge: TreeMerge) -> str:
    """A relation of (source, final): the ids of the merged nodes in the snapshot and in the target."""
    pk = merge.source.table.primary_key[0]
    return (
        f"(SELECT {merge.source.text(pk, 's')} AS source, {merge.source.text(pk, 'r')} AS final "
        f"FROM {merge.rows.relation} r JOIN {merge.source.relation} s ON {paired('r', 's')})"
    )


def _under_others(cursor: duckdb.DuckDBPyConnection, merge: TreeMerge, nodes: str, chosen: str = "true") -> int:
    """The number of merged nodes that are under another parent in a relation of the target's nodes, or of the merged ones."""
    finals = _finals(merge)
    (count,) = cursor.execute(
        f"""
        SELECT count(*)
        FROM (SELECT * FROM {merge.rows.relation} WHERE {chosen}) r
            JOIN {merge.source.relation} s ON {paired("r", "s")}
            JOIN {merge.mine.nodes} n ON n.id = {merge.source.text(merge.source.table.primary_key[0], "s")}
            LEFT JOIN {finals} f ON f.source = n.parent
            JOIN {finals} own ON own.source = n.id
            JOIN {nodes} t ON t.id = own.final
        WHERE t.parent IS DISTINCT FROM {_FINAL_PARENT}
        """
    ).fetchall()[0]
    return int(count)


def _first_level(merge: TreeMerge) -> str:
    """SQL: the level of a root: 0 in django-mptt, 1 in django-treebeard."""
    return f"coalesce((SELECT min(level) FROM {merge.theirs.nodes}), (SELECT min(level) FROM {merge.mine.nodes}), 0)"


def _path_values(merge: TreeMerge) -> tuple[str, dict[str, str], str]:
    """SQL: the join of a row (`{alias}`) with its position, the values of its columns, and which other rows of the target change."""
    path, _, children = merge.tree.columns
    labels = merge.source.text(path, "@alias@").replace('"@alias@"', "{alias}")
    values = {
        path: as_stored("p.path", merge.source.storage(path)),
        children: as_stored("CAST(p.children AS VARCHAR)", merge.source.storage(children)),
    }
    changed = "p.children <> p.counted AND p.labels IN (SELECT above FROM tree_new)"
    return f"{PLACES} p ON p.labels = {labels}", values, changed


def _nested_values(merge: TreeMerge) -> tuple[str, dict[str, str], str]:
    """The same as `_path_values`, for nested sets."""
    pk = merge.source.text(merge.source.table.primary_key[0], "@alias@").replace('"@alias@"', "{alias}")
    names = ("left", "right", "tree", "level")
    numbers = {name: f'p."{name}"' for name in names} | {"level": f"(p.level + {_first_level(merge)})"}
    values = {
        column: as_stored(f"CAST({numbers[name]} AS VARCHAR)", merge.source.storage(column))
        for column, name in zip(merge.tree.columns, names, strict=True)
    }
    differs = " OR ".join(f'{numbers[name]} <> w."{name}"' for name in names)
    changed = f"EXISTS (SELECT 1 FROM {merge.theirs.nodes} w WHERE w.id = p.id AND ({differs}))"
    return f"{NUMBERS} p ON p.id = {pk}", values, changed


def _moved(cursor: duckdb.DuckDBPyConnection, merge: TreeMerge) -> int:
    """The number of rows of both sides whose position differs."""
    column = merge.tree.columns[0]
    here, there = merge.source.text(column, "r"), merge.target.text(column, "t")
    (count,) = cursor.execute(
        f"SELECT count(*) FROM (SELECT * FROM {merge.rows.relation} WHERE \"{ACTION}\" = 'update') r "
        f"JOIN {merge.target.relation} t ON {paired('r', 't')} WHERE {here} <> {there}"
    ).fetchall()[0]
    return int(count)
