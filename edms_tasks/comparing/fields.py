"""The fields of a row: its columns and references, each as a text to compare and a text to show."""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.digests.canonical import row_text, text_of
from edms_tasks.digests.chunk_columns import content_column, reference_column
from edms_tasks.digests.table_state import is_filled, members
from edms_tasks.digests.value_text import text_value
from edms_tasks.identifying.comparable_columns import comparable
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import GenericReference, Reference, SoftReference, Table
from edms_tasks.inventory.natural_keys import reference_of
from edms_tasks.quoting import identifier, literal
from edms_tasks.redaction import NOT_SHOWN, Redaction

BY_CONTENT = r'\["content","[0-9a-f]{32}"\]'
"""Regular expression for the identity of a row without a natural key."""


@dataclass(frozen=True)
class Field:
    """A column, a column with soft references, or a reference of one or more columns."""

    name: str
    columns: tuple[str, ...]
    reference: Reference | None = None

    @property
    def is_column(self) -> bool:
        """Whether the field is a plain column and no reference."""
        return self.reference is None


def fields_of(table: Table) -> tuple[Field, ...]:
    """The fields of a row. Primary key columns are fields only if they are references."""
    pointing = {name for one in table.references for name in members(one)}
    apart = {*table.primary_key, *pointing}
    columns = [Field(column.name, (column.name,)) for column in table.columns if column.name not in apart]
    soft = {one.column: one for one in reversed(table.soft_references)}
    held = [Field(name, (name,), one) for name, one in soft.items()]
    return (
        *columns,
        *(Field(one.name, members(one), one) for one in table.references if not isinstance(one, SoftReference)),
        *held,
    )


def compared(field: Field, side: Side, other: Side, table: Table) -> str:
    """SQL over the rows of `serialize.joined`: a text that is equal on both sides if the field is.

    References are compared by the row they name, not by its id.
    """
    if isinstance(field.reference, SoftReference):
        return identifier(content_column(field.columns[0]))
    raw = [compared_column(name, side, other, table) for name in field.columns]
    if field.reference is None:
        return raw[0]
    if isinstance(field.reference, GenericReference) and (kind := reference_of(table, field.columns[0])):
        # Ids of content types differ between databases; compare the model instead.
        raw[0] = f"coalesce({identifier(reference_column(kind.name))}, {raw[0]})"
    # References without a row, and partly filled ones, are compared by their columns' values.
    pointed = identifier(reference_column(field.reference.name))
    empty = " AND ".join(f"{identifier(name)} IS NULL" for name in field.columns)
    return (
        f"CASE WHEN {empty} THEN NULL "
        f"WHEN {is_filled(field.reference)} THEN coalesce({pointed}, 'nowhere ' || {row_text(raw)}) "
        f"ELSE 'in part ' || {row_text(raw)} END"
    )


def compared_column(column: str, side: Side, other: Side, table: Table) -> str:
    """SQL: a column's value as a text that is equal on both sides if the values are."""
    return comparable(identifier(column), side.keys.storage(table.id, column), other.keys.storage(table.id, column))


def shown(field: Field, side: Side, table: Table, redaction: Redaction) -> str:
    """SQL over the rows of `serialize.joined`: the field as a text for people, not shortened; references as natural keys."""
    if any(redaction.hides(table, name) for name in field.columns):
        return literal(NOT_SHOWN)
    raw = _joined([column_text(name, side, table) for name in field.columns])
    if field.reference is None or isinstance(field.reference, SoftReference):
        return raw
    pointed = identifier(reference_column(field.reference.name))
    by_id, nothing = f"'id ' || {raw}", f"'id ' || {raw} || ' (no row known)'"
    if isinstance(field.reference, GenericReference):
        # The natural key of a generic target begins with its model, which says more than the content type's id.
        model = f'regexp_extract({pointed}, \'^\\["([^"]*)"\', 1)'
        by_id = f"{model} || ' with id ' || {column_text(field.columns[1], side, table)}"
    known = pointed if not redaction.hides_target(field.reference) else by_id
    return (
        f"CASE WHEN {pointed} IS NULL THEN CASE WHEN {is_filled(field.reference)} THEN {nothing} ELSE nullif({raw}, '') END "
        f"WHEN regexp_matches({pointed}, {literal(BY_CONTENT)}) THEN {by_id} ELSE {known} END"
    )


def difference_unseen(field: Field) -> str:
    """A note for a value that differs from another although both are shown alike."""
    if field.reference is None:
        return " (of another type)"
    if isinstance(field.reference, SoftReference):
        return " (its ids belong to other rows)"
    return " (another row)"


def column_text(name: str, side: Side, table: Table) -> str:
    """SQL: a column's value as a text for people; bytes in hexadecimal."""
    value = side.keys.storage(table.id, name)
    if value.kind == "BLOB" and not value.tagged:
        return text_of(identifier(name), value.kind)
    text = text_value(name, value.kind, "tagged" if value.tagged else "native")
    return f"coalesce({text}, substr({identifier(name)}, 2))" if value.tagged else text


def _joined(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"concat_ws(', ', {', '.join(texts)})"
