"""Compare two databases as they are, without an EDMS around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edms_tasks.comparing.comparison_result import TableDifference
from edms_tasks.comparing.table_comparison import compare_table
from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.extract import extract_table
from edms_tasks.identifying.common_form import in_one_form
from edms_tasks.identifying.sides import open_sides
from edms_tasks.inventory.model import NaturalKey
from edms_tasks.redaction import Redaction
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import open_workspace


def compare(
    folder: Path, urls: Sequence[str], keys: Mapping[str, NaturalKey | None], sensitive: Sequence[str] = ()
) -> dict[str, TableDifference]:
    """What the tables of two databases differ in, by the tables' ids; rows are known by `keys`."""
    sides = dict(zip(("first", "second"), urls, strict=True))
    raws: dict[str, dict[str, RawTable]] = {}
    for name, url in sides.items():
        scratch = folder / f"read {name}"
        scratch.mkdir()
        with open_database(DatabaseAddress.from_url(url)).view(scratch, 1) as view:
            tables = list(view.tables())
            raws[name] = {table.id: extract_table(view, table, scratch / table.id, 3) for table in tables}
    with open_workspace(folder / "workspace", memory_limit_mb=200, threads=1) as workspace:
        with workspace.cursor() as cursor:
            for table in tables:
                both = {name: rows[table.id] for name, rows in raws.items()}
                for name, raw in in_one_form(cursor, table, both, folder / f"forms {table.id}").items():
                    raws[name][table.id] = raw
        opened = open_sides(tables, keys, raws, workspace)
        redaction = Redaction(sensitive, {table.id: table for table in tables}, keys)
        return {
            table.id: compare_table(
                table, opened["first"], opened["second"], redaction, folder / f"of {table.id}", limit=20, out=None
            )
            for table in tables
        }
