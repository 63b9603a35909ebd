"""The numbers of nested sets, computed from the nodes' parents as django-mptt's rebuild() does.

Where no column refers to the parent (django-treebeard's NS_Node), the numbers themselves say which node it is.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, column_types, relation
from edms_tasks.trees.label_paths import Labelled
from edms_tasks.trees.tree_kinds import Tree

NUMBERS = "tree_numbers"
"""(id, left, right, tree, level) of every node."""


def without_numbers(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, tree: Tree, folder: Path
) -> Labelled:
    """Write the rows with 0 for each number of nested sets into `folder`."""
    if not raw.files:
        nothing = "(SELECT '' AS id, '' AS parent, 0 AS \"left\", 0 AS \"right\", 0 AS tree, 0 AS level WHERE false)"
        return Labelled(raw, nothing)
    rows = relation(table, raw)
    kinds = column_types(cursor, rows)

    def text(column: str) -> str:
        return text_value(column, kinds[column], raw.encodings.get(column, "native"))

    zeros = [
        ("'i0'" if raw.encodings.get(column) == "tagged" else f"CAST(0 AS {kinds[column]})")
        + f" AS {identifier(column)}"
        for column in tree.columns
    ]
    cursor.execute(
        f"COPY (SELECT * REPLACE ({', '.join(zeros)}) FROM {rows}) TO {literal(str(folder / 'rows.parquet'))} {AS_PARQUET}"
    )
    names = ("left", "right", "tree", "level")
    numbers = [f'CAST({text(c)} AS BIGINT) AS "{name}"' for c, name in zip(tree.columns, names, strict=True)]
    parent = text(tree.parent) if tree.parent else "CAST(NULL AS VARCHAR)"
    nodes = f"SELECT {text(table.primary_key[0])} AS id, {parent} AS parent, {', '.join(numbers)} FROM {rows}"
    if tree.parent is None:
        nodes = _with_parents(nodes)
    cursor.execute(f"COPY ({nodes}) TO {literal(str(folder / 'nodes.parquet'))} {AS_PARQUET}")
    return Labelled(
        RawTable(raw.table_id, raw.rows, raw.encodings, (folder / "rows.parquet",)),
        f"read_parquet({literal(str(folder / 'nodes.parquet'))})",
    )


def _with_parents(nodes: str) -> str:
    """SQL: the nodes with the last one of the level above that begins before each; `broken_intervals` checks that it encloses it."""
    return f"""
        WITH nodes AS ({nodes})
        SELECT n.* REPLACE (p.id AS parent)
        FROM nodes n ASOF LEFT JOIN nodes p ON p.tree = n.tree AND p.level = n.level - 1 AND p."left" < n."left"
    """


def broken_intervals(cursor: duckdb.DuckDBPyConnection, nodes: str) -> int:
    """Count the nodes of a relation like `Labelled.nodes` that do not lie within their parents, or share a number."""
    (count,) = cursor.execute(
        f"""
        WITH nodes AS (SELECT * FROM {nodes})
        SELECT (
            SELECT count(*) FROM nodes n JOIN nodes p ON p.id = n.parent
            WHERE n.tree <> p.tree OR n."left" <= p."left" OR n."right" >= p."right" OR n.level <> p.level + 1
        ) + (SELECT count(*) FROM nodes WHERE "left" >= "right")
          + (SELECT count(*) - count(DISTINCT (tree, "left")) FROM nodes)
          + (SELECT greatest(count(DISTINCT level), 1) - 1 FROM nodes WHERE parent IS NULL)
        """
    ).fetchall()[0]
    return int(count)


def number_nodes(cursor: duckdb.DuckDBPyConnection, nodes: str) -> int:
    """Create `NUMBERS`; returns how many nodes have no numbers because no path leads to them from a root.

    Args:
        cursor: where to compute.
        nodes: a relation of (id, parent, tree, sort, is_new). `tree` is the number of the tree that a node is the root of, NULL for
            new roots; `sort` is the order among siblings; new nodes follow the others.
    """
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE tree_ranked AS SELECT *, row_number() OVER (PARTITION BY parent ORDER BY is_new, sort, id) AS rank "
        f"FROM {nodes}"
    )
    cursor.execute(
        """
        CREATE OR REPLACE TEMP TABLE tree_walk AS
        WITH RECURSIVE walk AS (
            SELECT id, [rank] AS way, [id] AS above, id AS root FROM tree_ranked WHERE parent IS NULL
            UNION ALL
            SELECT n.id, list_append(w.way, n.rank), list_append(w.above, n.id), w.root
            FROM tree_ranked n JOIN walk w ON n.parent = w.id
        )
        SELECT * FROM walk
        """
    )
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {NUMBERS} AS
        WITH sizes AS (SELECT id, count(*) AS size FROM (SELECT unnest(above) AS id FROM tree_walk) GROUP BY id),
            trees AS (
                SELECT id AS root, coalesce(tree, (SELECT coalesce(max(tree), 0) FROM tree_ranked)
                    + row_number() OVER (PARTITION BY tree IS NULL ORDER BY is_new, rank)) AS tree
                FROM tree_ranked WHERE parent IS NULL
            ),
            ordered AS (
                SELECT id, root, len(way) - 1 AS level, row_number() OVER (PARTITION BY root ORDER BY way) AS number FROM tree_walk
            )
        SELECT o.id, 2 * o.number - o.level - 1 AS "left", 2 * o.number - o.level - 1 + 2 * s.size - 1 AS "right", t.tree, o.level
        FROM ordered o JOIN sizes s USING (id) JOIN trees t USING (root)
        """
    )
    lost = cursor.execute("SELECT count(*) FROM tree_ranked ANTI JOIN tree_walk USING (id)").fetchall()[0][0]
    return int(lost)
