"""Map the addresses and paths of an EDMS in a container or on another machine to those used here.

`[edms] database_url` and `[files] roots` are the address of the same database and the paths of the same folders here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.engines import is_file
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.probe_report import ProbeDatabase, ProbeReport, Surroundings
from edms_tasks.settings import Settings


def with_mapped_addresses(report: ProbeReport, settings: Settings) -> ProbeReport:
    """The report with the database's address, and with `[edms] command` the paths of folders, as they are here.

    Raises:
        SettingsError: the URL is of another engine, or the settings do not map the paths of an EDMS on another machine.
    """
    if settings.edms.command:
        _require_mapped(report, settings)
        roots = settings.files.roots
        folders = tuple(
            root.model_copy(update={"path": str(roots[root.name]), "path_there": root.path})
            for root in report.file_roots
        )
        # The settings map no other folders, and here the same path may be another folder.
        without_folders = Surroundings(urls=report.surroundings.urls, unasked=report.surroundings.unasked)
        report = report.model_copy(update={"file_roots": folders, "surroundings": without_folders})
    first, *others = report.databases
    if settings.edms.client_programs is not None:
        first = first.model_copy(update={"client_programs": str(settings.edms.client_programs)})
    if settings.edms.database_url is not None:
        first = _with_url(first, settings.edms.database_url.get_secret_value())
    return report.model_copy(update={"databases": (first, *others)})


def named_folders(settings: Settings, report: ProbeReport | None) -> dict[str, Path]:
    """Name -> folder of files: those of the settings, and of the EDMS's report (if there is one) those with other names."""
    reported = {root.name: Path(root.path) for root in report.file_roots} if report is not None else {}
    return reported | settings.files.roots


def name_for_the_edms(database_name: str, settings: Settings) -> str:
    """The name by which the EDMS opens the database that is `database_name` here.

    On a database server it is the same. An SQLite file may have another path there, so it is named relative to the live one.
    """
    if settings.edms.database_url is None or database_name == ":memory:":
        return database_name
    live = DatabaseAddress.from_url(settings.edms.database_url.get_secret_value())
    if not live.is_file:
        return database_name
    return os.path.relpath(database_name, Path(live.name).parent)


def _with_url(database: ProbeDatabase, url: str) -> ProbeDatabase:
    """The database with the URL's address; what the URL omits (server, login, name) stays as the EDMS has it."""
    address = DatabaseAddress.from_url(url)
    if address.engine != database.vendor:
        raise SettingsError(
            f"The EDMS's database is {database.vendor}, the URL says {address.engine}.",
            where="[edms] database_url",
            fix="Give the URL of the EDMS's own database as this machine reaches it, or remove it.",
        )
    if address.is_file:
        return database.model_copy(update={"name": address.name})
    options = database.options | dict(address.options)
    if address.host and "hostaddr" not in dict(address.options):
        options.pop("hostaddr", None)  # it is the address of the EDMS's host name, not of the URL's
    changes: dict[str, object] = {"options": options}
    if address.host:
        changes |= {"host": address.host, "port": address.port}
    if address.user:
        changes |= {"user": address.user, "password": address.password.get_secret_value()}
    if address.name:
        changes["name"] = address.name
    return database.model_copy(update=changes)


def _require_mapped(report: ProbeReport, settings: Settings) -> None:
    """Check that the settings map all paths: the same path may exist here and be another folder. Raises SettingsError."""
    database = report.databases[0]
    if is_file(database.vendor) and settings.edms.database_url is None:
        raise SettingsError(
            "The EDMS runs on another machine or in a container, and the path of its database file here is not known.",
            where=f"{database.name}, as the EDMS sees it",
            fix='Set it: [edms] database_url = "sqlite:////path/to/the/file/here".',
        )
    missing = [root for root in report.file_roots if root.name not in settings.files.roots]
    if missing:
        entries = ", ".join(f'{json.dumps(root.name)} = "/path/here"' for root in missing)
        raise SettingsError(
            "The EDMS runs on another machine or in a container, and the paths of its files here are not known.",
            where=", ".join(f"{root.path} ({root.name})" for root in missing),
            fix=f"Set them: [files] roots = {{ {entries} }}. This is needed even if the paths are the same here.",
        )
