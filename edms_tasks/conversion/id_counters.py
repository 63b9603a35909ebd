"""The positions of the counters for new ids, in the other engine's form.

SQLite remembers the highest id that a table ever gave; PostgreSQL has a sequence for the column. An id that was given once,
and whose row is gone, must not be given again: audit trails and links may still name it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edms_tasks.inventory.model import Table
from edms_tasks.manifest import SequencePosition


def converted_positions(
    tables: Sequence[Table],
    counters: Mapping[str, SequencePosition],
    positions: Sequence[SequencePosition],
    highest: Mapping[str, int],
) -> tuple[tuple[SequencePosition, ...], tuple[str, ...]]:
    """The positions to set in the other engine, and the names of the snapshot's counters without a table there.

    Args:
        tables: the snapshot's tables.
        counters: table id -> the counter of its new ids in the other engine.
        positions: the snapshot's counters.
        highest: table id -> the largest id of its rows.
    """
    made = []
    used: set[tuple[str | None, str]] = set()
    for table in tables:
        named = counter_of(table, positions)
        if named is not None:
            used.add((named.schema_name, named.name))
        counter = counters.get(table.id)
        if counter is None:
            if named is not None:
                used.discard((named.schema_name, named.name))
            continue
        given = max(_given(named), highest.get(table.id, 0), 0)
        if counter.schema_name is not None:
            # A sequence that has given no number yet is at 1 with is_called false.
            made.append(counter.model_copy(update={"last_value": given or 1, "is_called": given > 0}))
        elif given:
            made.append(counter.model_copy(update={"last_value": given, "is_called": True}))
    left = tuple(position.name for position in positions if (position.schema_name, position.name) not in used)
    return tuple(made), tuple(dict.fromkeys(left))


def counter_of(table: Table, positions: Sequence[SequencePosition]) -> SequencePosition | None:
    """The snapshot's counter of a table: named like the table in SQLite, `<table>_<column>_seq` in PostgreSQL."""
    names = {table.name}
    if table.schema_name is not None:
        names = {f"{table.name}_{column.name}_seq" for column in table.columns if column.identity}
    for position in positions:
        if position.schema_name == table.schema_name and position.name in names:
            return position
    return None


def _given(position: SequencePosition | None) -> int:
    """The highest id that the counter has given out; 0 for none."""
    if position is None:
        return 0
    return position.last_value if position.is_called else position.last_value - 1
