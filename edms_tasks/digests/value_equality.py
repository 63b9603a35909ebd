"""Equality of a reference and its target's value: by the database's comparison, not by their text.

`1.0` points at `1.00`, a caseless text at its other spelling, and a value that had to be carried tagged, because its
column holds values of several storage classes, at one that was not. Conditions are DuckDB SQL over raw rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edms_tasks.digests.canonical import text_of
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.quoting import identifier
from edms_tasks.scratch.raw_table import RawTable

_WHOLE = {"BIGINT", "INTEGER", "SMALLINT"}
_FLOATING = {"DOUBLE", "FLOAT"}


@dataclass(frozen=True)
class Held:
    """How a column's values are at hand: their DuckDB type, whether they are tagged, the engine's own type."""

    kind: str
    tagged: bool
    native_type: str

    @property
    def caseless(self) -> bool:
        """Whether the engine takes texts that differ in case for equal."""
        return self.native_type.rpartition(".")[2].lower() == "citext"

    def pointed_at(self, expression: str) -> str:
        """The value in the form of which a table may hold only one row: caseless texts in one case."""
        return f"lower({expression})" if self.caseless else expression

    @property
    def scaled(self) -> bool:
        """Whether the engine takes numbers for equal that are written with more and fewer zeros."""
        return self.kind == "VARCHAR" and self.native_type.startswith("numeric")


def held(table: Table, raw: RawTable, kinds: Mapping[str, str], column: str) -> Held:
    """How a table's column is stored; `kinds` are the DuckDB types of its columns."""
    return Held(kinds[column], raw.encodings.get(column) == "tagged", table.column(column).native_type)


def equal(left: str, left_held: Held, right: str, right_held: Held) -> str:
    """A join condition: typed where the types agree, otherwise by a text that both sides are brought to."""
    if left_held.tagged or right_held.tagged:
        return f"{classed(left, left_held)} = {classed(right, right_held)}"
    if left_held.caseless or right_held.caseless:
        return f"lower({left}) = lower({right})"
    if left_held.scaled or right_held.scaled:
        return f"{_unscaled(left, left_held)} = {_unscaled(right, right_held)}"
    kinds = {left_held.kind, right_held.kind}
    if len(kinds) == 1 or kinds <= _WHOLE:
        return f"{left} = {right}"
    if kinds <= _WHOLE | _FLOATING:
        return f"{_number(left)} = {_number(right)}"
    return f"{text_of(left, left_held.kind)} = {text_of(right, right_held.kind)}"


def leads_to(
    reference: ForeignReference,
    here: Callable[[str], Held],
    there: Callable[[str], Held],
    kinds: Mapping[str, str],
    *,
    pointing: str,
    pointed: str,
    prefix: str = "",
) -> str:
    """The join condition between a row and what it refers to: as the database found it, where it was asked.

    Args:
        reference: not a temporal one.
        here: how the pointing table's columns are at hand.
        there: how the columns that are pointed at are.
        kinds: the DuckDB types of the pointing rows, `found_columns` among them where they were read.
        pointing: an alias.
        pointed: an alias.
        prefix: of the names of the columns that are pointed at.
    """
    conditions = []
    found = dict(enumerate(reference.found_columns))
    for number, (column, target) in enumerate(zip(reference.columns, reference.target_columns, strict=True)):
        value, held_here, held_there = f"{pointing}.{identifier(column)}", here(column), there(target)
        name = found.get(number)
        if name is not None and name in kinds:
            # Rows that an older release stored have none; what the database finds in another spelling is stored anew.
            same_kind = kinds[name] == held_here.kind
            answer = f"{pointing}.{identifier(name)}"
            value = f"coalesce({answer}, {value})" if same_kind else answer
            held_here = Held(kinds[name], held_there.tagged, held_there.native_type)
        conditions.append(equal(value, held_here, f"{pointed}.{identifier(prefix + target)}", held_there))
    return " AND ".join(conditions)


def classed(expression: str, value: Held) -> str:
    """A value's storage class and its text; whole numbers are one class, whether integers or reals."""
    if value.tagged:
        real = f"'i' || {_number(f'TRY_CAST(substr({expression}, 2) AS DOUBLE)')}"
        return f"CASE WHEN {expression} LIKE 'r%' THEN coalesce({real}, {expression}) ELSE {expression} END"
    if value.kind == "VARCHAR":
        return f"'t' || hex({expression})"
    if value.kind == "BLOB":
        return f"'b' || hex({expression})"
    return f"'i' || {_number(expression)}" if value.kind in _FLOATING else f"'i' || {text_of(expression, value.kind)}"


def object_id_text(expression: str, kind: str, *, is_uuid: bool) -> str:
    """An object id as generic references compare it: UUIDs are written with and without dashes."""
    text = text_of(expression, kind)
    return bare_uuid(text) if is_uuid else text


def bare_uuid(text: str) -> str:
    """A UUID as ids are compared, in lower case and without dashes, whichever way it is written."""
    return f"lower(replace({text}, '-', ''))"


def bare_if_uuid(column: str, kind: str) -> str:
    """The id as text; what looks like a UUID with dashes loses them, on both sides, whatever the type it is kept in."""
    plain, bare = (object_id_text(column, kind, is_uuid=is_uuid) for is_uuid in (False, True))
    return f"CASE WHEN strlen({bare}) = 32 AND strlen({plain}) = 36 THEN {bare} ELSE {plain} END"


def _number(expression: str) -> str:
    """A number as text, without a fraction where it has none."""
    whole = f"CASE WHEN {expression} = trunc({expression}) THEN TRY_CAST({expression} AS BIGINT) END"
    return f"coalesce(CAST({whole} AS VARCHAR), CAST({expression} AS VARCHAR))"


def _unscaled(expression: str, value: Held) -> str:
    text = text_of(expression, value.kind)
    return f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
