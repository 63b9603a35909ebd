"""Inspect: the inventory of the EDMS, from its code and its database. Changes and stores nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import View
from edms_tasks.inventory.build_inventory import excluded_tables
from edms_tasks.inventory.model import Inventory, Table
from flows.requests import InspectRequest
from flows.running.flow_decorators import Shortfall, flow, task
from flows.running.run import Run
from flows.tasks.inspect_tasks import check_database, inspect_edms, read_catalogue, require_reachable


@dataclass(frozen=True)
class Inspection:
    """The inventory, and the present number of rows of each table."""

    inventory: Inventory
    rows: dict[str, int]  # Table.id -> rows
    excluded: tuple[str, ...]
    migrations_unapplied: tuple[str, ...]
    database: str

    def shortfall(self) -> Shortfall | None:
        """Always None: an inventory has no checks."""
        return None

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "inventory": self.inventory.model_dump(mode="json"),
            "rows": self.rows,
            "excluded": list(self.excluded),
            "migrations_unapplied": list(self.migrations_unapplied),
            "database": self.database,
        }


@task(name="count rows", tags=["inspect"], task_run_name="count {table.label}")
def count_rows(table: Table, view: View) -> int:
    """Count the rows of a table."""
    return view.measure(table).rows


@flow(name="edms-inspect", description="Takes the inventory of the EDMS and counts its rows.")
def inspect(run: Run, request: InspectRequest) -> Inspection:
    """Take the inventory and count the rows."""
    settings = run.settings
    with run.stage("inspect"):
        report = run.call(inspect_edms, run.ask, settings)
        address = DatabaseAddress.from_probe(report.databases[0])
        database = open_database(address)
        run.call(check_database, database)
        require_reachable(report, address)
        with (
            tempfile.TemporaryDirectory(prefix="edms-backup-inspect-") as scratch,
            database.view(Path(scratch), settings.jobs) as view,
        ):
            inventory = run.call(read_catalogue, report, view, settings, address.engine)
            rows = run.map(count_rows, inventory.tables, view)
            findings = (*inventory.findings, *view.findings(), *view.violated_constraints())
    return Inspection(
        inventory=inventory.model_copy(update={"findings": findings}),
        rows={table.id: number for table, number in zip(inventory.tables, rows, strict=True)},
        excluded=tuple(sorted(excluded_tables(inventory, settings))),
        migrations_unapplied=tuple(f"{app}.{name}" for app, name in report.migrations_unapplied),
        database=address.display,
    )
