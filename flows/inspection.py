"""Inspect: what the EDMS holds, asked of its code and of its database. Changes and stores nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import DatabaseRefused
from edms_tasks.inventory.build import build_inventory, excluded_tables
from edms_tasks.inventory.inspect import run_probe
from edms_tasks.inventory.model import Inventory, Table
from edms_tasks.settings import Settings
from flows.running.runner import Steps


@dataclass(frozen=True)
class Inspection:
    """The inventory, and how many rows each table holds now."""

    inventory: Inventory
    rows: dict[str, int]  # Table.id -> rows
    excluded: tuple[str, ...]
    migrations_unapplied: tuple[str, ...]
    database: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "inventory": self.inventory.model_dump(mode="json"),
            "rows": self.rows,
            "excluded": list(self.excluded),
            "migrations_unapplied": list(self.migrations_unapplied),
            "database": self.database,
        }


def compose_inspect(settings: Settings, steps: Steps) -> Inspection:
    """Take the inventory and count the rows."""
    with steps.stage("inspect"):
        report = steps.run("inspect the EDMS", lambda: run_probe(settings))
        address = DatabaseAddress.from_probe(report.databases[0])
        database = open_database(address)
        steps.run("check the database", database.check, retries=2)
        if report.database_error:
            raise DatabaseRefused(
                "The EDMS cannot reach its database.",
                where=address.display,
                why=report.database_error,
                fix="Mend DATABASES in the EDMS's settings, or [edms] env.",
            )
        with (
            tempfile.TemporaryDirectory(prefix="edms-backup-inspect-") as scratch,
            database.view(Path(scratch), settings.jobs) as view,
        ):
            inventory = steps.run(
                "read the catalogue", lambda: build_inventory(report, view.tables(), settings, address.engine)
            )

            def count(table: Table) -> int:
                return view.measure(table).rows

            rows = steps.map(lambda table: f"count {table.label}", count, inventory.tables, jobs=settings.jobs)
            findings = (*inventory.findings, *view.findings())
    return Inspection(
        inventory=inventory.model_copy(update={"findings": findings}),
        rows={table.id: number for table, number in zip(inventory.tables, rows, strict=True)},
        excluded=tuple(sorted(excluded_tables(inventory, settings))),
        migrations_unapplied=tuple(f"{app}.{name}" for app, name in report.migrations_unapplied),
        database=address.display,
    )
