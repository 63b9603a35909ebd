"""The tables whose keys a natural key contains."""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence

from edms_tasks.inventory.model import NaturalKey, Table
from edms_tasks.inventory.natural_keys import generic_of, reference_of


def lead_back(tables: Mapping[str, Table], keys: Mapping[str, Sequence[NaturalKey]]) -> bool:
    """Whether keys of different tables contain each other. Which of them is given up then depends on where the check begins.

    Args:
        tables: table id -> table.
        keys: table id -> the keys of it that may be tried.
    """
    graph = {
        table_id: {target for key in tried for target in _targets(tables, tables[table_id], key)} - {table_id}
        for table_id, tried in keys.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError:
        return True
    return False


def _targets(tables: Mapping[str, Table], table: Table, key: NaturalKey) -> Iterator[str]:
    for path in key.paths:
        here: Table | None = table
        for column in path:
            if here is None:
                break
            reference = reference_of(here, column)
            if reference is not None:
                yield reference.target
            elif key.by_meaning:
                if generic_of(here, column) is not None:
                    yield from (one.id for one in tables.values() if one.content_types)
                yield from (soft.target for soft in here.soft_references if soft.column == column)
            here = tables.get(reference.target) if reference is not None else None
