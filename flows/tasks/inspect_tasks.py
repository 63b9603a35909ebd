"""Inspect: ask the EDMS for its models, and connect to its database."""

from __future__ import annotations

from collections.abc import Callable

from edms_tasks.databases import Database, DatabaseAddress
from edms_tasks.databases.protocol import ServerFacts, View
from edms_tasks.errors import DatabaseRefused
from edms_tasks.inventory.build_inventory import build_inventory
from edms_tasks.inventory.model import Inventory
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.settings import Settings
from flows.running.flow_decorators import task


@task(name="inspect EDMS", tags=["inspect"])
def inspect_edms(ask: Callable[[Settings], ProbeReport], settings: Settings) -> ProbeReport:
    """Run the probe in the EDMS's interpreter; returns its report."""
    return ask(settings)


@task(name="check database", tags=["inspect"], retries=2)
def check_database(database: Database) -> ServerFacts:
    """Check that the database answers and that its client programs are installed."""
    return database.check()


@task(name="read catalogue", tags=["inspect"])
def read_catalogue(report: ProbeReport, view: View, settings: Settings, engine: str) -> Inventory:
    """Build the inventory from the EDMS's models and the database's tables."""
    return build_inventory(report, view.tables(), settings, engine)


def require_reachable(report: ProbeReport, address: DatabaseAddress) -> None:
    """Check that the EDMS can connect to its database; raises DatabaseRefused."""
    if report.database_error:
        raise DatabaseRefused(
            "The EDMS cannot reach its database.",
            where=address.display,
            why=report.database_error,
            fix="Start the server, or fix DATABASES in the EDMS's settings or [edms] env.",
        )
