"""Map the addresses and paths of an EDMS in a container or on another machine to those used here.

`[edms] database_url` and `[files] roots` say how the same places are reached from where the backup runs.
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
    """The report with its database, and with `[edms] command` its folders, where we find them.

    Raises:
        SettingsError: the URL is of another engine, or the settings do not map the paths of an EDMS on another machine.
    """
    if settings.edms.command:
        _require_mapped(report, settings)
        roots = settings.files.roots
        folders = tuple(root.model_copy(update={"path": str(roots[root.name])}) for root in report.file_roots)
        # Folders that nobody has mapped may be others here.
        elsewhere = Surroundings(urls=report.surroundings.urls, unasked=report.surroundings.unasked)
        report = report.model_copy(update={"file_roots": folders, "surroundings": elsewhere})
    first, *others = report.databases
    if settings.edms.client_programs is not None:
        first = first.model_copy(update={"client_programs": str(settings.edms.client_programs)})
    if settings.edms.database_url is not None:
        first = _reached(first, settings.edms.database_url.get_secret_value())
    return report.model_copy(update={"databases": (first, *others)})


def named_folders(settings: Settings, report: ProbeReport | None) -> dict[str, Path]:
    """Name -> folder of files, as the settings name it or, where they do not, the EDMS; without a report as the settings do."""
    said = {root.name: Path(root.path) for root in report.file_roots} if report is not None else {}
    return said | settings.files.roots


def name_for_the_edms(database_name: str, settings: Settings) -> str:
    """The name under which the EDMS finds a database that we call `database_name`.

    A database server knows one name. An SQLite file that we reach by another path is named relative to the live one.
    """
    if settings.edms.database_url is None or database_name == ":memory:":
        return database_name
    live = DatabaseAddress.from_url(settings.edms.database_url.get_secret_value())
    if not live.is_file:
        return database_name
    return os.path.relpath(database_name, Path(live.name).parent)


def _reached(database: ProbeDatabase, url: str) -> ProbeDatabase:
    """The URL's address, completed by the EDMS's own (server, login, name)."""
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
        options.pop("hostaddr", None)  # the address of the host as the EDMS knows it
    changes: dict[str, object] = {"options": options}
    if address.host:
        changes |= {"host": address.host, "port": address.port}
    if address.user:
        changes |= {"user": address.user, "password": address.password.get_secret_value()}
    if address.name:
        changes["name"] = address.name
    return database.model_copy(update=changes)


def _require_mapped(report: ProbeReport, settings: Settings) -> None:
    """The same path may exist here and be another folder, so no path of another machine is used as it is."""
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
