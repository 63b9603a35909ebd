"""Tables that the EDMS computes from others (`[derived] tables`): a merge does not write to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edms_tasks.inventory.declared_as_derived import derived_tables
from edms_tasks.inventory.model import Table


def without_derived(
    tables: Sequence[Table], names: Collection[str], rebuild: Collection[str], others: Collection[str], notes: list[str]
) -> list[Table]:
    """The tables that are merged row by row, without the derived ones.

    Args:
        tables: the snapshot's tables to be merged.
        names: the derived models or tables, as the settings name them.
        rebuild: the commands in the settings that rebuild them.
        others: names of tables that are not merged in any case; `names` may include them.
        notes: gets a line for each derived table.

    Raises:
        SettingsError: a name is not that of a table, or a merged table refers to a derived one.
    """
    derived = derived_tables(tables, names, others)
    how = f"rebuilt afterwards by {', '.join(rebuild)}" if rebuild else "rebuild it in the EDMS"
    notes += [f"{table.label} is derived and is not merged: {how}." for table in derived.values()]
    return [table for table in tables if table.id not in derived]
