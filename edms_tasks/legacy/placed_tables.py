"""The rows of an old backup in the tables of the EDMS's present code, as files to be loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edms_tasks.inventory.model import Finding, Table
from edms_tasks.manifest import Encoding


@dataclass(frozen=True)
class PlacedTable:
    """The rows of a table as they will be loaded."""

    table: Table
    rows: int
    encodings: dict[str, Encoding]
    files: tuple[Path, ...]
    highest: int | None = None  # of the numbers that are its primary keys


@dataclass
class PlacedRows:
    """All tables' rows, and what was found meanwhile."""

    tables: list[PlacedTable] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)  # JSON lines: model, why, row
    cut_times: int = 0  # times with three decimals
