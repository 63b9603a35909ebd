"""The rows of each side with their identities, in one Parquet file for each table, which all later steps read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edms_tasks.digests.chunk_columns import KEY, reference_column
from edms_tasks.digests.value_equality import ColumnStorage
from edms_tasks.digests.value_text import text_value
from edms_tasks.identifying.comparable_columns import comparable, hash_of
from edms_tasks.identifying.sides import DANGLING, NAMELESS, Side, content_texts
from edms_tasks.inventory.model import GenericReference, Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET

NUMBER = "@number"
EXACT = "@exact"
CONTENT = "@content"
_UNIQUE_SOURCES = ("natural_key", "unique", "uuid", "settings")


@dataclass(frozen=True)
class Identified:
    """A side's rows of a table in a Parquet file.

    Columns: the raw ones; `@key` and `@number`, which together identify the pair on the other side; `@ref:…` and `@soft:…`; and
    two MD5 hashes in hex: `@exact` of all stored columns, `@content` of the values and of the identities that references refer
    to.
    """

    side: Side
    table: Table
    path: Path
    rows: int

    @property
    def relation(self) -> str:
        """SQL: the relation to select from, with any cursor."""
        return f"read_parquet({literal(str(self.path))})"

    def storage(self, column: str) -> ColumnStorage:
        """How this side stores a column's values."""
        return self.side.keys.storage(self.table.id, column)

    def text(self, column: str, alias: str) -> str:
        """SQL: the text of a column's values, for people and for looking up references; `alias` is that of the relation."""
        held = self.storage(column)
        return text_value(column, held.kind, "tagged" if held.tagged else "native", alias=alias)


def write_identified(side: Side, other: Side, table: Table, path: Path) -> Identified:
    """Write a side's rows with their identities to `path`.

    Rows with the same identity are numbered in the order of their ids. A row's pair is the row of the other side with the same
    identity and number.
    """
    key = side.keys.keys[table.id]
    order = ", ".join(identifier(column) for column in table.primary_key) or "1"
    number = f"row_number() OVER (PARTITION BY {identifier(KEY)} ORDER BY {order})"
    if key.natural_key is not None and key.natural_key.source in _UNIQUE_SOURCES and not key.duplicates:
        number = "CAST(1 AS BIGINT)"
    # A row without id and key is identified by its content.
    identity = identifier(KEY) if key.natural_key is not None else f"""'{NAMELESS}' || {identifier(CONTENT)} || '"]'"""
    exact = exact_hash(
        table, {c.name: (identifier(c.name), side.keys.storage(table.id, c.name)) for c in table.stored_columns}, other
    )
    content = hash_of(content_texts(side, other, table))
    if not side.raws[
        table.id
    ].rows:  # no row to hash: long expressions take longer to prepare than small tables to read
        exact = content = "CAST(NULL AS VARCHAR)"
    hashed = f"SELECT *, {exact} AS {identifier(EXACT)}, {content} AS {identifier(CONTENT)} FROM {side.rows(table)}"
    with side.workspace.cursor() as cursor:
        cursor.execute(
            f"COPY (SELECT *, {number} AS {identifier(NUMBER)} FROM (SELECT * REPLACE ({identity} AS {identifier(KEY)}) "
            f"FROM ({hashed}))) TO {literal(str(path))} {AS_PARQUET}"
        )
    return Identified(side, table, path, side.raws[table.id].rows)


def exact_hash(table: Table, values: dict[str, tuple[str, ColumnStorage]], other: Side) -> str:
    """SQL: the MD5 of all stored columns, the same for equal rows of both sides.

    Args:
        table: the table.
        values: column -> its SQL expression, and how this side stores it.
        other: the other side, whose way of storing values decides how they are written as text.
    """
    return hash_of(
        [comparable(*values[column.name], other.keys.storage(table.id, column.name)) for column in table.stored_columns]
    )


def paired(left: str, right: str) -> str:
    """SQL: the condition that the rows with these aliases are a pair."""
    return " AND ".join(f"{left}.{identifier(name)} = {right}.{identifier(name)}" for name in (KEY, NUMBER))


def shared_value(alias: str, column: str, here: Identified, there: Identified) -> str:
    """SQL: a value of a row of `here` in a form that is equal for values which the engine takes for equal, on either side."""
    held = here.storage(column)
    return held.pointed_at(comparable(f"{alias}.{identifier(column)}", held, there.storage(column)))


def same_row(left: str, right: str) -> str:
    """SQL: the condition that the rows with these aliases are equal in all columns, ids included."""
    return f"{left}.{identifier(EXACT)} = {right}.{identifier(EXACT)}"


def pair_same_rows(target: Identified, source: Identified, path: Path) -> Identified:
    """The target's rows, of which those that the snapshot holds to the last column have the identity that they have there.

    Only for tables without natural keys. A row whose reference has lost its row says something else than it said, and
    is the same row all the same. A row whose reference leads to a row of another natural key is another row: the two
    systems gave the same ids to different rows.
    """
    table = target.table
    order = ", ".join(f"t.{identifier(column)}" for column in table.primary_key) or "1"
    key = f"coalesce(s.{identifier(KEY)}, t.{identifier(KEY)})"
    pointed = [identifier(reference_column(reference.name)) for reference in table.references]
    held = "".join(f", any_value({column}) AS {column}" for column in pointed)
    known = (
        f"(SELECT {identifier(EXACT)}, min({identifier(KEY)}) AS {identifier(KEY)}{held} FROM {source.relation} "
        f"GROUP BY {identifier(EXACT)})"
    )
    same = " AND ".join([same_row("t", "s"), *_agreeing(target, table)])
    with target.side.workspace.cursor() as cursor:
        cursor.execute(
            f"COPY (SELECT t.* REPLACE ({key} AS {identifier(KEY)}, row_number() OVER (PARTITION BY {key} ORDER BY {order}) "
            f"AS {identifier(NUMBER)}) FROM {target.relation} t LEFT JOIN {known} s ON {same}) "
            f"TO {literal(str(path))} {AS_PARQUET}"
        )
    return replace(target, path=path)


def _agreeing(target: Identified, table: Table) -> Iterator[str]:
    """SQL for each reference: whether rows `t` and `s` refer to rows of the same natural key, as far as both refer to any."""
    for reference in table.references:
        if not isinstance(reference, GenericReference):
            keys = [target.side.keys.keys[one].natural_key for one in reference.targets if one in target.side.keys.keys]
            if not all(key is not None and key.source != "surrogate" for key in keys):
                continue  # a row without a natural key is identified by its content, which may have changed since
        column = identifier(reference_column(reference.name))
        unknown = [f"{side}.{column} IS NULL" for side in ("t", "s")]
        # An id without a row is replaced by a mark.
        unknown += [f"contains({side}.{column}, {literal(DANGLING)})" for side in ("t", "s")]
        if isinstance(reference, GenericReference):
            unknown += [f"contains({side}.{column}, {literal(NAMELESS)})" for side in ("t", "s")]
        yield f"(t.{column} = s.{column} OR {' OR '.join(unknown)})"
