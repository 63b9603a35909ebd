"""SQL that compares and groups values byte by byte, for each engine."""

from __future__ import annotations

from edms_tasks.databases.postgresql.output_functions import output_text
from edms_tasks.databases.postgresql.type_encodings import TEXTUAL, base_of
from edms_tasks.inventory.model import Column
from edms_tasks.quoting import identifier

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def equal(engine: str, left: tuple[str, Column], right: tuple[str, Column]) -> str:
    """A join condition between a column and the one that it refers to, each given with its table's alias."""
    (left_alias, left_column), (right_alias, right_column) = left, right
    first = f"{left_alias}.{identifier(left_column.name)}"
    second = f"{right_alias}.{identifier(right_column.name)}"
    if engine == "sqlite":
        # In the order of the column that is referred to, as SQLite checks a reference.
        return f"{first} = {second} COLLATE {'NOCASE' if right_column.collation else 'BINARY'}"
    # A reference without a constraint may join columns of two types, which PostgreSQL refuses to compare.
    if left_column.logical_type != right_column.logical_type:
        return f"{as_text(engine, first)} = {as_text(engine, second)}"
    return f"{first} = {second}"


def as_text(engine: str, expression: str) -> str:
    """The value as text with a collation that compares byte by byte."""
    if engine == "postgresql":
        return f'({output_text(expression)}) COLLATE "C"'
    return f"CAST({expression} AS TEXT) COLLATE BINARY"


def text_of(engine: str, alias: str, column: Column) -> str:
    """The column as text with a collation that compares byte by byte."""
    expression = f"{alias}.{identifier(column.name)}"
    if engine == "postgresql" and base_of(column.native_type) in TEXTUAL:
        return f'CAST({expression} AS pg_catalog.text) COLLATE "C"'  # costs nothing, and is what the output function writes
    return as_text(engine, expression)


def comparable(engine: str, alias: str, column: Column) -> str:
    """The column in a form that the engine can group by without treating different values as equal."""
    expression = f"{alias}.{identifier(column.name)}"
    if engine == "sqlite":
        return f"{expression} COLLATE BINARY"
    as_is = ("integer", "boolean", "uuid", "date", "time", "datetime", "binary")
    return expression if column.logical_type in as_is else text_of(engine, alias, column)


def as_integer(engine: str, text: str) -> str:
    """The integer of which this is the text; NULL if it is not one of 64 bits, or is written in another way, such as `007`."""
    if engine == "sqlite":
        integer = f"CAST({text} AS INTEGER)"
        return f"CASE WHEN CAST({integer} AS TEXT) = {text} THEN {integer} END"
    # Of other texts than digits, PostgreSQL makes no number but an error.
    fits = f"CAST({text} AS numeric) BETWEEN {_SMALLEST} AND {_LARGEST}"
    return (
        f"CASE WHEN {text} ~ '^(0|-?[1-9][0-9]{{0,18}})$' "
        f"THEN CASE WHEN LENGTH({text}) < 19 OR {fits} THEN CAST({text} AS bigint) END END"
    )
