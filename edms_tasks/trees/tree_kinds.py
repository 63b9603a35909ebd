"""Recognise trees by their columns: those of django-treebeard (MP_Node, NS_Node) and django-mptt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edms_tasks.inventory.model import Column, ForeignReference, NaturalKey, Table

_LABELS = ("slug", "code", "number", "name", "title", "label")
"""What people call a node by, the likeliest first."""

_NESTED = (("lft", "rght", "tree_id", "level"), ("lft", "rgt", "tree_id", "depth"))


@dataclass(frozen=True)
class Tree:
    """The columns in which a table's rows store their position in a tree."""

    kind: Literal["path", "nested"]
    columns: tuple[str, ...]  # path, depth, numchild; or left, right, tree, level
    parent: str | None = None  # the column that refers to the parent; None: the numbers of nested sets say it
    labels: tuple[str, ...] = ()  # the columns that distinguish siblings


def tree_of(table: Table, key: NaturalKey | None = None) -> Tree | None:
    """The tree that a table's rows form; None if they form none.

    Args:
        table: the table.
        key: the natural key by which its rows are matched; its plain columns distinguish siblings.
    """
    kinds = {column.name: column.logical_type for column in table.columns}
    if kinds.get("path") == "text" and kinds.get("depth") == "integer" and kinds.get("numchild") == "integer":
        return Tree("path", ("path", "depth", "numchild"), labels=_labels(table, ("path", "depth", "numchild"), key))
    for columns in _NESTED:
        if all(kinds.get(name) == "integer" for name in columns):
            return Tree("nested", columns, parent=_parent(table))
    return None


def is_of_places(tree: Tree, key: NaturalKey | None) -> bool:
    """Whether a key identifies nodes only by their position, or not at all."""
    return key is None or key.source in ("surrogate", "content") or {path[0] for path in key.paths} <= set(tree.columns)


def _labels(table: Table, places: tuple[str, ...], key: NaturalKey | None) -> tuple[str, ...]:
    """The columns of a declared key that are plain; else the first that people call things by."""
    if key is not None and key.source == "settings":
        own = tuple(path[0] for path in key.paths if len(path) == 1 and path[0] not in places)
        if own and not any(_refers(table, name) for name in own):
            return own
    there = {column.name: column for column in table.columns}
    for name in _LABELS:
        if name in there and _is_label(there[name]):
            return (name,)
    return ()


def _is_label(column: Column) -> bool:
    return column.logical_type in ("text", "integer") and not column.generated


def _refers(table: Table, column: str) -> bool:
    return any(isinstance(one, ForeignReference) and column in one.columns for one in table.references)


def _parent(table: Table) -> str | None:
    own = [
        one.columns[0]
        for one in table.references
        if isinstance(one, ForeignReference) and one.target == table.id and len(one.columns) == 1
        and one.target_columns == table.primary_key
    ]  # fmt: skip
    named = [column for column in own if column.removesuffix("_id") == "parent"]
    return next(iter((*named, *own)), None)
