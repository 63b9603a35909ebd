"""Count the rows of a table with their natural keys, and digest them for format 1."""

from __future__ import annotations

from edms_tasks.digests.table_state import counts_of, digested_empty_state, empty_state, state_of
from edms_tasks.inventory.model import Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.joined_rows import joined
from edms_tasks.manifest import TableState
from edms_tasks.scratch.raw_table import RawTable


def measure_table(table: Table, raw: RawTable, keys: CheckedKeys, *, digests: bool) -> TableState:
    """The counts of raw rows, of their references and of their keys; with `digests`, those of format 1 too, otherwise no proof."""
    key = keys.keys[table.id]
    if not raw.rows:
        empty = digested_empty_state(table) if digests else empty_state(table)
        return empty.model_copy(update={"key_nulls": key.nulls, "key_duplicates": key.duplicates})
    source = f"({joined(table, raw, keys)})"
    with keys.workspace.cursor() as cursor:
        if not digests:
            return counts_of(cursor, table, source, nulls=key.nulls, duplicates=key.duplicates)
        types = keys.types[table.id]
        return state_of(cursor, table, key.natural_key, source, nulls=key.nulls, duplicates=key.duplicates, types=types)
