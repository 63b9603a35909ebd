"""Each side's rows with their identities, written once for everything that follows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edms_tasks.canonical import CONTENT, with_hashes
from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.inventory.model import Table
from edms_tasks.matching import Held
from edms_tasks.merging.sides import Side, content_texts
from edms_tasks.table_state import KEY

NUMBER = "@number"
_TELLS_APART = ("natural_key", "unique", "uuid", "settings")


@dataclass(frozen=True)
class Identified:
    """A side's rows of a table in a Parquet file: raw columns, `@key`, `@number`, `@ref:…` and `@soft:…`."""

    side: Side
    table: Table
    path: Path
    rows: int

    @property
    def relation(self) -> str:
        """To SELECT from, with any cursor."""
        return f"read_parquet({literal(str(self.path))})"

    def held(self, column: str) -> Held:
        """How a column's values are at hand."""
        return self.side.keys.held(self.table.id, column)


def write_identified(side: Side, other: Side, table: Table, path: Path) -> Identified:
    """Write a side's rows; among rows of the same identity, those are numbered in the order of their ids.

    The pair of a row is the row of the same identity and number on the other side.
    """
    key = side.keys.keys[table.id]
    source = side.rows(table)
    if key.natural_key is None:  # no id and no key: a row is what it says
        hashed = with_hashes(source, common=(), exact=(), content=content_texts(side, other, table))
        known = f"""'["content","' || printf('%032x', {CONTENT}) || '"]'"""
        source = f'(SELECT * EXCLUDE ({CONTENT}, "@key:exact") REPLACE ({known} AS {identifier(KEY)}) FROM ({hashed}))'
    order = ", ".join(identifier(column) for column in table.primary_key) or "1"
    number = f"row_number() OVER (PARTITION BY {identifier(KEY)} ORDER BY {order})"
    if key.natural_key is not None and key.natural_key.source in _TELLS_APART and not key.duplicates:
        number = "CAST(1 AS BIGINT)"
    with side.workspace.cursor() as cursor:
        cursor.execute(
            f"COPY (SELECT *, {number} AS {identifier(NUMBER)} FROM {source}) TO {literal(str(path))} (FORMAT parquet)"
        )
    return Identified(side, table, path, side.raws[table.id].rows)


def paired(left: str, right: str) -> str:
    """The condition under which two rows are a pair."""
    return " AND ".join(f"{left}.{identifier(name)} = {right}.{identifier(name)}" for name in (KEY, NUMBER))
