"""Extract: write the tables of a consistent view to disk, large ones in parts, and capture their schema.

A backup reads the EDMS's rows with it, and a restore the rows of the restored database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from edms_tasks.databases.protocol import CapturedSchema, Measure, Part, View
from edms_tasks.extract import extract_part, extract_table, measured, together
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import SequencePosition
from edms_tasks.scratch.arrow_memory import return_freed_memory
from edms_tasks.scratch.own_folder import own_folder
from edms_tasks.scratch.raw_table import RawTable
from flows.running.flow_decorators import always, task
from flows.running.run import Run, numbered


@dataclass(frozen=True)
class TableReading:
    """What one task reads: a small table as a whole (`part` is None), or one part of a large one."""

    table: Table
    folder: Path
    weight: int
    like: RawTable | None
    part: Part | None = None
    measure: Measure | None = None
    of: str = ""  # ", part 2 of 7"

    def __str__(self) -> str:
        return f"{self.table.label}{self.of}"


@task(name="measure table", tags=["extract"], task_run_name="measure {table.label}", anywhere=always)
def measure_large_table(table: Table, view: View, like: Mapping[str, RawTable]) -> Measure:
    """Count the rows of a large table, and determine the form of its columns, before its parts are read."""
    return measured(view, table, like.get(table.id))


@task(
    name="extract table",
    tags=["extract"],
    task_run_name="extract {reading}",
    weight=lambda reading: reading.weight,
    anywhere=always,
)
def extract_rows(reading: TableReading, view: View, chunk_rows: int) -> RawTable:
    """Read a table, or a part of one, into files of its own."""
    if reading.part is None or reading.measure is None:
        return extract_table(view, reading.table, own_folder(reading.folder), chunk_rows, reading.like)
    return extract_part(view, reading.table, reading.measure, reading.part, own_folder(reading.folder), chunk_rows)


@task(name="capture schema", tags=["extract"])
def capture_schema(view: View, folder: Path) -> CapturedSchema:
    """Capture the schema as the engine describes it."""
    return view.capture_schema(folder)


@task(name="read sequences", tags=["extract"])
def read_sequences(view: View) -> list[SequencePosition]:
    """Read the positions of the sequences of ids."""
    return list(view.sequences())


def extract_tables(
    run: Run, view: View, tables: Sequence[Table], folder: Path, like: Mapping[str, RawTable] = MappingProxyType({})
) -> dict[str, RawTable]:
    """Extract tables into `folder`; table id -> raw rows.

    `like` are rows by table id, in whose column forms the tables are read (`extract.measured`).
    """
    return_freed_memory()
    parts = {table.id: view.parts(table) for table in tables}
    large = [table for table in tables if len(parts[table.id]) > 1]
    found = run.map(measure_large_table, large, view, like)
    measures = {table.id: measure for table, measure in zip(large, found, strict=True)}
    readings = [
        reading
        for place, table in numbered(tables)
        for reading in _readings(table, parts[table.id], measures.get(table.id), folder / place, like.get(table.id))
    ]
    raws: dict[str, list[RawTable]] = {}
    for raw in run.map(extract_rows, readings, view, run.settings.chunk_rows):
        raws.setdefault(raw.table_id, []).append(raw)
    return {
        table.id: together(table, measures[table.id], raws[table.id]) if table.id in measures else raws[table.id][0]
        for table in tables
    }


def _readings(
    table: Table, parts: Sequence[Part], measure: Measure | None, folder: Path, like: RawTable | None
) -> list[TableReading]:
    if measure is None:
        return [TableReading(table, folder, parts[0].weight, like)]
    return [
        TableReading(
            table, folder / f"{number:04d}", part.weight, like, part, measure, f", part {number} of {len(parts)}"
        )
        for number, part in enumerate(parts, 1)
    ]
