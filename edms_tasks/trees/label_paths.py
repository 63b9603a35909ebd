"""Write the position of nodes with a materialised path as names: `["root", "home", "about"]` in place of `000100010003`.

The names of a node and of its ancestors are the same in another system; its path is not. Siblings with the same name are
distinguished by their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.errors import MergeRefused
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, column_types, relation, types_of_rows
from edms_tasks.trees.tree_kinds import Tree


def step_length(cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, tree: Tree) -> int:
    """The length of one step of a path, in characters; 4 (django-treebeard's default) if there are no rows.

    Raises:
        MergeRefused: the paths are not steps of one length.
    """
    path, depth = (_text(cursor, table, raw, column) for column in tree.columns[:2])
    found = cursor.execute(
        f"SELECT DISTINCT strlen({path}) / CAST({depth} AS BIGINT) FROM {relation(table, raw)} t LIMIT 3"
    ).fetchall()
    if not found:
        return 4
    if len(found) > 1 or found[0][0] != int(found[0][0]) or found[0][0] < 1:
        raise MergeRefused(
            f"{table.label} is a tree with materialised paths, and its paths are not steps of one length.",
            where=f"{table.id}.{tree.columns[0]}",
            fix="Nothing was changed. Repair the tree in the EDMS first: Model.fix_tree() of django-treebeard.",
        )
    return int(found[0][0])


@dataclass(frozen=True)
class Labelled:
    """A tree's rows without the positions of one system, and a relation of those positions."""

    raw: RawTable
    nodes: str  # a relation: (labels, path, depth, numchild); of nested sets (id, parent, left, right, tree, level)
    step: int = 0  # the length of one step of a path, in characters


def with_label_paths(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, tree: Tree, folder: Path
) -> Labelled:
    """Write the rows with names in place of paths and 0 for numbers of children into `folder`.

    Raises:
        MergeRefused: the paths are not steps of one length.
    """
    if not raw.files:
        nothing = "(SELECT CAST(NULL AS VARCHAR) AS labels, '' AS path, 0 AS depth, 0 AS numchild WHERE false)"
        return Labelled(raw, nothing, 4)
    rows, step = relation(table, raw), step_length(cursor, table, raw, tree)
    path = _text(cursor, table, raw, tree.columns[0])
    labels = ", ".join(f"coalesce({_text(cursor, table, raw, column)}, '')" for column in tree.labels)
    parent = f"left({path}, greatest(strlen({path}) - {step}, 0))"
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE tree_nodes AS
        SELECT path, CASE WHEN place = 1 THEN label ELSE label || '#' || place END AS label
        FROM (
            SELECT {path} AS path, concat_ws(chr(31), {labels}) AS label,
                row_number() OVER (PARTITION BY {parent}, concat_ws(chr(31), {labels}) ORDER BY {path}) AS place
            FROM {rows} t
        )
        """
    )
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE tree_labels AS
        SELECT n.path, CAST(to_json(list_transform(
            list_sort(list({{'step': i.step, 'label': coalesce(a.label, '?')}})), lambda one: one.label
        )) AS VARCHAR) AS labels
        FROM tree_nodes n, unnest(range(1, CAST(strlen(n.path) / {step} AS BIGINT) + 1)) AS i(step)
            LEFT JOIN tree_nodes a ON a.path = left(n.path, i.step * {step})
        GROUP BY n.path
        """
    )
    kinds = column_types(cursor, rows)
    tagged = {column for column in tree.columns if raw.encodings.get(column) == "tagged"}
    place = "'t' || hex(l.labels)" if tree.columns[0] in tagged else "l.labels"
    children = "'i0'" if tree.columns[2] in tagged else f"CAST(0 AS {kinds[tree.columns[2]]})"
    cursor.execute(
        f"COPY (SELECT t.* REPLACE ({place} AS {identifier(tree.columns[0])}, {children} AS {identifier(tree.columns[2])}) "
        f"FROM {rows} t JOIN tree_labels l ON l.path = {path}) TO {literal(str(folder / 'rows.parquet'))} {AS_PARQUET}"
    )
    depth, numchild = (f"CAST({_text(cursor, table, raw, column)} AS BIGINT)" for column in tree.columns[1:])
    cursor.execute(
        f"COPY (SELECT l.labels, l.path, {depth} AS depth, {numchild} AS numchild FROM {rows} t JOIN tree_labels l ON l.path = {path}) "
        f"TO {literal(str(folder / 'nodes.parquet'))} {AS_PARQUET}"
    )
    return Labelled(
        RawTable(raw.table_id, raw.rows, raw.encodings, (folder / "rows.parquet",)),
        f"read_parquet({literal(str(folder / 'nodes.parquet'))})",
        step,
    )


def parent_labels(labels: str) -> str:
    """SQL: the label path of a node's parent, from the node's own; `[]` for the parent of a root."""
    return f"CAST(to_json(CAST(json_extract_string({labels}, '$[*]') AS VARCHAR[])[:-2]) AS VARCHAR)"


def _text(cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, column: str) -> str:
    kind = types_of_rows(cursor, table, raw)[column]
    return text_value(column, kind, raw.encodings.get(column, "native"), alias="t")
