"""Read tables of a view, large ones in parts: one composition for a backup's rows and for the rows read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from edms_tasks.databases.protocol import Measure, Part, View
from edms_tasks.extract import RawTable, extract_part, extract_table, measured, together
from edms_tasks.inventory.model import Table
from edms_tasks.scratch.arrow_memory import return_freed_memory
from edms_tasks.settings import Settings
from flows.running.runner import Steps


class _Unit(NamedTuple):
    """What one step reads: a small table whole (`part` is None), or one part of a large one."""

    table: Table
    number: int  # of the part
    of: int
    part: Part | None
    weight: int
    folder: Path


def read_tables(
    settings: Settings,
    steps: Steps,
    view: View,
    tables: Sequence[Table],
    folder: Path,
    verb: str,
    like: Mapping[str, RawTable] = MappingProxyType({}),
) -> dict[str, RawTable]:
    """Extract tables into `folder`; table id -> raw rows.

    `verb` begins the steps' titles. `like` are rows as which those of a table are to be carried (`extract.measured`).
    """
    return_freed_memory()
    parts = {table.id: view.parts(table) for table in tables}
    large = [table for table in tables if len(parts[table.id]) > 1]
    measures = dict(
        zip(
            (table.id for table in large),
            steps.map(
                lambda table: f"measure {table.label}",
                lambda table: measured(view, table, like.get(table.id)),
                large,
                jobs=settings.jobs,
            ),
            strict=True,
        )
    )
    units = [
        unit for number, table in enumerate(tables) for unit in _units(table, parts[table.id], folder / f"{number:04d}")
    ]

    def read(unit: _Unit) -> RawTable:
        if unit.part is None:
            return extract_table(view, unit.table, unit.folder, settings.chunk_rows, like.get(unit.table.id))
        measure: Measure = measures[unit.table.id]
        return extract_part(view, unit.table, measure, unit.part, unit.folder, settings.chunk_rows)

    raws: dict[str, list[RawTable]] = {}
    for raw in steps.map(
        lambda unit: f"{verb} {unit.table.label}" + (f", part {unit.number} of {unit.of}" if unit.of > 1 else ""),
        read,
        units,
        jobs=settings.jobs,
        weight=lambda unit: unit.weight,
    ):
        raws.setdefault(raw.table_id, []).append(raw)
    return {
        table.id: together(table, measures[table.id], raws[table.id]) if table.id in measures else raws[table.id][0]
        for table in tables
    }


def _units(table: Table, parts: Sequence[Part], folder: Path) -> list[_Unit]:
    if len(parts) == 1:
        return [_Unit(table, 1, 1, None, parts[0].weight, folder)]
    return [
        _Unit(table, number, len(parts), part, part.weight, folder / f"{number:04d}")
        for number, part in enumerate(parts, 1)
    ]
