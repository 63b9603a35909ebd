"""Inspect: the EDMS says what it is, and its database answers."""

from __future__ import annotations

from collections.abc import Callable

from edms_tasks.databases import Database, DatabaseAddress
from edms_tasks.databases.protocol import ServerFacts, View
from edms_tasks.errors import DatabaseRefused
from edms_tasks.inventory.build import build_inventory
from edms_tasks.inventory.model import Inventory
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.settings import Settings
from flows.running.declaring import task


@task(name="inspect EDMS", tags=["inspect"])
def inspect_edms(ask: Callable[[Settings], ProbeReport], settings: Settings) -> ProbeReport:
    """Have the EDMS's report on itself."""
    return ask(settings)


@task(name="check database", tags=["inspect"], retries=2)
def check_database(database: Database) -> ServerFacts:
    """See that the database answers, and that its tools are here."""
    return database.check()


@task(name="read catalogue", tags=["inspect"])
def read_catalogue(report: ProbeReport, view: View, settings: Settings, engine: str) -> Inventory:
    """Put the EDMS's models and the database's tables together."""
    return build_inventory(report, view.tables(), settings, engine)


def require_reachable(report: ProbeReport, address: DatabaseAddress) -> None:
    """The EDMS itself reaches its database; raises DatabaseRefused."""
    if report.database_error:
        raise DatabaseRefused(
            "The EDMS cannot reach its database.",
            where=address.display,
            why=report.database_error,
            fix="Start the server, or fix DATABASES in the EDMS's settings or [edms] env.",
        )
