"""Conditions of soft references: `where = { rule_type = [0, 3] }`, checked against the table that they speak of."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence

from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import (
    CONTENT_TYPES,
    Condition,
    ForeignReference,
    GenericReference,
    SoftReference,
    Table,
)

Wanted = Mapping[str, str | int | bool | tuple[str | int | bool, ...]]
_COMPARED = frozenset({"integer", "boolean", "text", "uuid", "other"})
_TRUTHS = {"true": ("1", "true"), "false": ("0", "false")}


def conditions(
    wanted: Wanted | None, table: Table, own: str, tables: Mapping[str, Table], where: str
) -> tuple[Condition, ...]:
    """The conditions that a declaration names, in the table's order of columns; `own` is the column that holds the ids.

    Raises:
        SettingsError: a column or model that does not exist, or a value that means another row in another system.
    """
    found = [
        _condition(name, value if isinstance(value, tuple) else (value,), table, own, tables, f"{where}, where")
        for name, value in (wanted or {}).items()
    ]
    order = {column.name: position for position, column in enumerate(table.columns)}
    return tuple(sorted(found, key=lambda condition: order[condition.column]))


def excluding(one: Sequence[Condition], other: Sequence[Condition]) -> bool:
    """Whether no row can satisfy both conditions."""
    return any(a.column == b.column and not set(a.values) & set(b.values) for a in one for b in other)


def refers_to_content_types(table: Table, column: str) -> bool:
    """Whether a column holds ids of content types."""
    return any(
        (isinstance(one, ForeignReference) and one.columns == (column,) and one.target == CONTENT_TYPES)
        or (isinstance(one, GenericReference) and one.content_type_column == column)
        for one in table.references
    )


def described(found: Sequence[Condition]) -> str:
    """The conditions in words, for names of references."""
    parts = [f"{one.column} = {' or '.join(one.values)}" for one in found]
    return f" where {' and '.join(parts)}" if parts else ""


def _condition(
    name: str, values: Sequence[str | int | bool], table: Table, own: str, tables: Mapping[str, Table], where: str
) -> Condition:
    known = {column.name: column for column in table.columns}
    known |= {column.field: column for column in table.columns if column.field}
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        raise SettingsError(
            f"There is no field or column of {table.label} {name!r}.",
            where=where,
            fix=f"Did you mean `{close[0]}`?"
            if close
            else f"It has {', '.join(column.name for column in table.columns)}.",
        )
    column = known[name]
    if column.name == own:
        raise SettingsError(
            f"{column.name!r} is the column with the ids itself.",
            where=where,
            why="Which rows hold ids is said by other columns.",
            fix="Name another column, or the places in the value by json, pattern or tag.",
        )
    texts = tuple(dict.fromkeys(str(value).lower() if isinstance(value, bool) else str(value) for value in values))
    if refers_to_content_types(table, column.name):
        return Condition(
            column=column.name, values=tuple(_content_type(text, tables, where) for text in texts), models=True
        )
    _require_same_everywhere(table, column.name, where)
    untyped = not column.native_type  # SQLite: it allows any value
    if column.logical_type not in _COMPARED and not untyped:
        raise SettingsError(
            f"{column.name!r} cannot be compared with a value.",
            where=where,
            why=f"The column is {column.native_type} ({column.logical_type}).",
            fix="Name a column of numbers, texts, booleans or UUIDs.",
        )
    if column.logical_type == "boolean":
        truths = [{"1": "true", "0": "false"}.get(text, text) for text in texts]
        if not set(truths) <= set(_TRUTHS):
            raise SettingsError(
                f"{column.name!r} is true or false.", where=where, fix=f"Write {name} = true or {name} = false."
            )
        texts = tuple(spelling for truth in truths for spelling in _TRUTHS[truth])
    if column.logical_type == "integer" and not all(text.removeprefix("-").isdecimal() for text in texts):
        raise SettingsError(
            f"{column.name!r} is a number.",
            where=where,
            why=f"It is compared with {', '.join(repr(text) for text in texts)}.",
            fix=f"Write numbers: where = {{ {name} = [0, 3] }}.",
        )
    if column.logical_type == "uuid":
        # SQLite keeps them without dashes, PostgreSQL with them.
        bare = [text.replace("-", "").lower() for text in texts]
        if unfit := [text for text, one in zip(texts, bare, strict=True) if not re.fullmatch("[0-9a-f]{32}", one)]:
            raise SettingsError(
                f"{column.name!r} is a UUID.",
                where=where,
                why=f"It is compared with {', '.join(map(repr, unfit))}.",
                fix="Write the UUID, with dashes or without.",
            )
        dashed = [f"{one[:8]}-{one[8:12]}-{one[12:16]}-{one[16:20]}-{one[20:]}" for one in bare]
        texts = tuple(dict.fromkeys((*bare, *dashed)))
    return Condition(column=column.name, values=texts)


def _content_type(label: str, tables: Mapping[str, Table], where: str) -> str:
    known = {
        f"{app}.{model}".lower(): f"{app}.{model}" for table in tables.values() for app, model in table.content_types
    }
    if label.lower() not in known:
        close = difflib.get_close_matches(label.lower(), known, n=1, cutoff=0.4)
        raise SettingsError(
            f"There is no model {label!r}.",
            where=where,
            why="The column refers to content types, whose ids differ between systems, so they are named by their models.",
            fix=f"Did you mean `{close[0]}`?" if close else "`edms-backup inspect` lists the models.",
        )
    return known[label.lower()]


def _require_same_everywhere(table: Table, column: str, where: str) -> None:
    """Refuse a column of ids: the same number is another row in another system."""
    refers = any(
        (isinstance(one, ForeignReference) and column in one.columns)
        or (isinstance(one, GenericReference) and column == one.object_id_column)
        or (isinstance(one, SoftReference) and column == one.column)
        for one in table.references
    )
    if not refers and column not in table.primary_key:
        return
    raise SettingsError(
        f"{column!r} holds ids, which are other rows in another system.",
        where=where,
        why="It is a reference." if refers else "It is the primary key.",
        fix="Name a column whose values mean the same everywhere, such as a kind or a type.",
    )
