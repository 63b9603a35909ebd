"""What the chunks around lost rows show of their primary keys, and how certain it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from edms_tasks.digests.table_state import parquet
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier


class Bounds(NamedTuple):
    """The least and the greatest of the integer primary keys of some rows."""

    least: int
    greatest: int


def bounds_of(cursor: duckdb.DuckDBPyConnection, entry: TableEntry, chunk: Path) -> Bounds | None:
    """The bounds of a chunk's rows; None if the primary key is not a single integer, or the chunk has no rows."""
    key = _integer_key(entry.table)
    if key is None or entry.encodings.get(key) != "native":
        return None
    ((least, greatest),) = cursor.execute(
        f"SELECT min({identifier(key)}), max({identifier(key)}) FROM {parquet([chunk])}"
    ).fetchall()
    return Bounds(int(least), int(greatest)) if isinstance(least, int) and isinstance(greatest, int) else None


def ids_of_lost(table: Table, number: int, intact: Sequence[Bounds | None], among: Bounds | None = None) -> str:
    """The known limits of the primary keys in a lost chunk, in words; "" if nothing is known.


    Args:
        table: the chunk's table.
        number: number of the lost chunk, from 0.
        intact: the bounds of the table's chunks; None for lost ones.
        among: bounds that certainly include the lost rows, if any are known.
    """
    key = _integer_key(table)
    if key is None:
        return ""
    if among is not None:
        return f"{key} from {among.least} to {among.greatest}"
    known = [bounds for bounds in intact if bounds is not None]
    if not known or any(before.greatest >= after.least for before, after in itertools.pairwise(known)):
        return ""  # keys do not ascend from chunk to chunk, so a chunk's position says nothing about its keys
    before = [bounds.greatest for bounds in intact[:number] if bounds is not None]
    after = [bounds.least for bounds in intact[number + 1 :] if bounds is not None]
    limits = [f"above {before[-1]}"] if before else []
    limits += [f"below {after[0]}"] if after else []
    return f"{key} probably {' and '.join(limits)}"


def ids_of_block(entry: TableEntry, block: int) -> str:
    """The limits of the primary keys in a block of format 2, in words; "" if the primary key is not a single integer."""
    key = _integer_key(entry.table)
    if key is None or entry.ordered_by != (key,) or (entry.types or {}).get(key, "") not in ("int16", "int32", "int64"):
        return ""
    first = [one.first[0] for one in (entry.blocks or ())[block : block + 2]]
    if not all(re.fullmatch("-?[0-9]{1,19}", text) for text in first):
        return ""
    return f"{key} from {first[0]}" if len(first) == 1 else f"{key} from {first[0]} to {int(first[1]) - 1}"


def _integer_key(table: Table) -> str | None:
    if len(table.primary_key) != 1:
        return None
    column = table.column(table.primary_key[0])
    return column.name if column.logical_type == "integer" else None
