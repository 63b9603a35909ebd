"""Paths for new nodes in an existing tree: they follow their parent's children, and the parent's count of children increases.

`PLACES` has every node of the resulting tree: (labels, path, children, counted, is_new). `counted` is the number of children that
the tree records now.
"""

from __future__ import annotations

import duckdb

from edms_tasks.errors import MergeRefused
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import literal
from edms_tasks.trees.label_paths import parent_labels

PLACES = "tree_places"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MORE_DIGITS = f"{_DIGITS}{_DIGITS[10:].lower()}"


def place_nodes(cursor: duckdb.DuckDBPyConnection, table: Table, *, there: str, new: str, step: int) -> int:
    """Create `PLACES`; returns how many new nodes have no path because their parent is in neither tree.

    Args:
        cursor: where to compute.
        table: the tree's table.
        there: a relation of (labels, path, numchild) of the existing nodes.
        new: a relation of (labels, sort) of the nodes to add; `sort` is their order among siblings.
        step: the length of one step of a path, in characters.

    Raises:
        MergeRefused: the paths use an unknown alphabet, or a node would have more children than a step can number.
    """
    digits = _digits_of(cursor, table, there)
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {PLACES} AS SELECT labels, path, numchild AS counted, false AS is_new FROM {there}"
    )
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE tree_new AS SELECT labels, sort, {parent_labels('labels')} AS above, "
        f"CAST(json_array_length(labels) AS INTEGER) AS level FROM {new} ANTI JOIN {PLACES} USING (labels)"
    )
    levels = cursor.execute("SELECT DISTINCT level FROM tree_new ORDER BY level").fetchall()
    for (level,) in levels:
        last = f"right(path, {step})"
        under = f"left(path, strlen(path) - {step})"
        cursor.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE tree_level AS
            SELECT n.labels, p.path AS above,
                coalesce(c.last, 0) + row_number() OVER (PARTITION BY n.above ORDER BY n.sort, n.labels) AS number
            FROM (SELECT * FROM tree_new WHERE level = {int(level)}) n
                JOIN (SELECT labels, path FROM {PLACES} UNION ALL SELECT '[]', '') p ON p.labels = n.above
                LEFT JOIN (SELECT {under} AS above, max({_number(last, digits, step)}) AS last FROM {PLACES} GROUP BY 1) c
                    ON c.above = p.path
            """
        )
        full = cursor.execute(f"SELECT count(*) FROM tree_level WHERE number >= {len(digits) ** step}").fetchall()[0][0]
        if full:
            raise MergeRefused(
                f"A node of {table.label} would have more children than its paths can number.",
                where=table.id,
                fix="Nothing was changed. Restore the snapshot with --into instead.",
            )
        cursor.execute(
            f"INSERT INTO {PLACES} SELECT labels, above || {_written('number', digits, step)}, 0, true FROM tree_level"
        )
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE tree_children AS SELECT left(path, strlen(path) - {step}) AS path, count(*) AS children "
        f"FROM {PLACES} GROUP BY 1"
    )
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {PLACES} AS "
        f"SELECT p.*, coalesce(c.children, 0) AS children FROM {PLACES} p LEFT JOIN tree_children c USING (path)"
    )
    lost = cursor.execute(f"SELECT count(*) FROM tree_new ANTI JOIN {PLACES} USING (labels)").fetchall()[0][0]
    return int(lost)


def broken_nodes(cursor: duckdb.DuckDBPyConnection, nodes: str, step: int) -> int:
    """Count the nodes of a relation of (path, depth, numchild) that django-treebeard's find_problems() would report."""
    (count,) = cursor.execute(
        f"""
        WITH nodes AS (SELECT * FROM {nodes}),
            children AS (SELECT left(path, strlen(path) - {step}) AS path, count(*) AS children FROM nodes GROUP BY 1)
        SELECT count(*)
        FROM nodes n LEFT JOIN children c USING (path) LEFT JOIN nodes p ON p.path = left(n.path, strlen(n.path) - {step})
        WHERE n.depth * {step} <> strlen(n.path) OR n.numchild <> coalesce(c.children, 0)
            OR (strlen(n.path) > {step} AND p.path IS NULL)
        """
    ).fetchall()[0]
    return int(count)


def _digits_of(cursor: duckdb.DuckDBPyConnection, table: Table, there: str) -> str:
    for digits in (_DIGITS, _MORE_DIGITS):
        (others,) = cursor.execute(
            f"SELECT count(*) FROM {there} WHERE NOT regexp_full_match(path, '[{digits}]*')"
        ).fetchall()[0]
        if not others:
            return digits
    raise MergeRefused(
        f"{table.label} is a tree whose paths are written in digits of its own.",
        where=table.id,
        fix="Nothing was changed. Restore the snapshot with --into instead.",
    )


def _number(text: str, digits: str, step: int) -> str:
    """SQL: the number that a step is."""
    parts = [
        f"(instr({literal(digits)}, substr({text}, {place + 1}, 1)) - 1) * {len(digits) ** (step - place - 1)}"
        for place in range(step)
    ]
    return " + ".join(parts)


def _written(number: str, digits: str, step: int) -> str:
    """SQL: a number as a step."""
    parts = [
        f"substr({literal(digits)}, CAST({number} // {len(digits) ** (step - place - 1)} % {len(digits)} AS INTEGER) + 1, 1)"
        for place in range(step)
    ]
    return " || ".join(parts)
