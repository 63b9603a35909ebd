"""Compare the value of a reference with that of its target as the database does, as DuckDB SQL over raw rows.

`1.0` equals `1.00`, a caseless text its spelling in another case, and a tagged value (its column has values of several storage
classes) the same value without a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase

from edms_tasks.digests.canonical import text_of
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.quoting import identifier
from edms_tasks.scratch.raw_table import RawTable

WHOLE = {"BIGINT", "INTEGER", "SMALLINT"}
"""DuckDB's types of whole numbers."""

_FLOATING = {"DOUBLE", "FLOAT"}


@dataclass(frozen=True)
class ColumnStorage:
    """How a column's raw values are stored: the DuckDB type, whether they are tagged, and the engine's own type."""

    kind: str
    tagged: bool
    native_type: str
    collation: str = ""

    @property
    def caseless(self) -> bool:
        """Whether texts that differ only in case are equal for the engine (citext, SQLite's NOCASE)."""
        return bool(self.collation) or self.native_type.rpartition(".")[2].lower() == "citext"

    def pointed_at(self, expression: str) -> str:
        """SQL of the value in a form that is equal for equal values: caseless texts in lower case."""
        if self.collation:
            return without_ascii_case(expression)
        return f"lower({expression})" if self.caseless else expression

    @property
    def scaled(self) -> bool:
        """Whether values are decimals stored as text, in which trailing zeros make no difference."""
        return self.kind == "VARCHAR" and self.native_type.startswith("numeric")


def storage_of(table: Table, raw: RawTable, kinds: Mapping[str, str], column: str) -> ColumnStorage:
    """How a table's column is stored; `kinds` are the DuckDB types of its columns."""
    described = table.column(column)
    return ColumnStorage(
        kinds[column], raw.encodings.get(column) == "tagged", described.native_type, described.collation
    )


def without_ascii_case(expression: str) -> str:
    """SQL of a text as SQLite's NOCASE compares it: no other letters than those of ASCII have a case."""
    return f"translate({expression}, '{ascii_uppercase}', '{ascii_lowercase}')"


def equal(left: str, left_held: ColumnStorage, right: str, right_held: ColumnStorage) -> str:
    """A join condition: typed if the types agree, otherwise by a common text of both sides.

    `right` is what `left` refers to: SQLite compares a reference in the order of the column that it refers to.
    """
    if left_held.tagged or right_held.tagged:
        return f"{classed(left, left_held)} = {classed(right, right_held)}"
    if right_held.collation and left_held.kind == right_held.kind == "VARCHAR":
        return f"{without_ascii_case(left)} = {without_ascii_case(right)}"
    if not (left_held.collation or right_held.collation) and (left_held.caseless or right_held.caseless):
        return f"lower({left}) = lower({right})"
    if left_held.scaled or right_held.scaled:
        return f"{_unscaled(left, left_held)} = {_unscaled(right, right_held)}"
    kinds = {left_held.kind, right_held.kind}
    if len(kinds) == 1 or kinds <= WHOLE:
        return f"{left} = {right}"
    if kinds <= WHOLE | _FLOATING:
        return f"{_number(left)} = {_number(right)}"
    return f"{text_of(left, left_held.kind)} = {text_of(right, right_held.kind)}"


def leads_to(
    reference: ForeignReference,
    here: Callable[[str], ColumnStorage],
    there: Callable[[str], ColumnStorage],
    kinds: Mapping[str, str],
    *,
    pointing: str,
    pointed: str,
    prefix: str = "",
) -> str:
    """The join condition between a row and the row it refers to; it uses the reference's `found_columns` if they were read.

    Args:
        reference: the reference; not a temporal one.
        here: column -> how the referring table stores it.
        there: column -> how the referenced table stores it.
        kinds: the DuckDB types of the referring rows' columns, with `found_columns` if they were read.
        pointing: the alias of the referring rows.
        pointed: the alias of the referenced rows.
        prefix: the prefix of the names of the referenced columns.
    """
    conditions = []
    found = dict(enumerate(reference.found_columns))
    for number, (column, target) in enumerate(zip(reference.columns, reference.target_columns, strict=True)):
        value, held_here, held_there = f"{pointing}.{identifier(column)}", here(column), there(target)
        name = found.get(number)
        if name is not None and name in kinds:
            # Rows that an older release stored have no value in this column; then the reference's own value is used.
            same_kind = kinds[name] == held_here.kind
            answer = f"{pointing}.{identifier(name)}"
            value = f"coalesce({answer}, {value})" if same_kind else answer
            held_here = ColumnStorage(kinds[name], held_there.tagged, held_there.native_type)
        conditions.append(equal(value, held_here, f"{pointed}.{identifier(prefix + target)}", held_there))
    return " AND ".join(conditions)


def classed(expression: str, value: ColumnStorage) -> str:
    """SQL of a value's storage class and text; whole numbers are one class, whether integers or reals."""
    if value.tagged:
        real = f"'i' || {_number(f'TRY_CAST(substr({expression}, 2) AS DOUBLE)')}"
        return f"CASE WHEN {expression} LIKE 'r%' THEN coalesce({real}, {expression}) ELSE {expression} END"
    if value.kind == "VARCHAR":
        return f"'t' || hex({expression})"
    if value.kind == "BLOB":
        return f"'b' || hex({expression})"
    return f"'i' || {_number(expression)}" if value.kind in _FLOATING else f"'i' || {text_of(expression, value.kind)}"


def object_id_text(expression: str, kind: str, *, is_uuid: bool) -> str:
    """SQL of an object id for comparison: a UUID in lower case without dashes, everything else as its text."""
    text = text_of(expression, kind)
    return bare_uuid(text) if is_uuid else text


def bare_uuid(text: str) -> str:
    """SQL of a UUID in lower case without dashes, as ids are compared."""
    return f"lower(replace({text}, '-', ''))"


def bare_if_uuid(column: str, kind: str) -> str:
    """SQL of an id as text, without dashes if it has the form of a UUID, whatever the column's type."""
    plain, bare = (object_id_text(column, kind, is_uuid=is_uuid) for is_uuid in (False, True))
    return f"CASE WHEN strlen({bare}) = 32 AND strlen({plain}) = 36 THEN {bare} ELSE {plain} END"


def _number(expression: str) -> str:
    """SQL of a number as text; whole numbers without a fraction."""
    whole = f"CASE WHEN {expression} = trunc({expression}) THEN TRY_CAST({expression} AS BIGINT) END"
    return f"coalesce(CAST({whole} AS VARCHAR), CAST({expression} AS VARCHAR))"


def _unscaled(expression: str, value: ColumnStorage) -> str:
    text = text_of(expression, value.kind)
    return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
