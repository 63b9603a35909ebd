"""The EDMS's other databases: which of its models have their rows there, and what is said about them.

A snapshot is of one database. What is in another is an error by name until the settings leave it out on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import SettingsError, UnsupportedEngine
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import ProbeDatabase, ProbeModel, ProbeReport
from edms_tasks.settings import Settings
from edms_tasks.unknown_names import closest_name

_WHERE = "[exclude] databases"


def other_databases(report: ProbeReport, settings: Settings) -> Iterator[Finding]:
    """A finding for each other database of the EDMS.

    Raises:
        SettingsError: `[exclude] databases` names one that does not exist, or the one that is backed up.
    """
    others = {database.alias: database for database in report.databases[1:]}
    for name in settings.exclude.databases:
        if name == settings.edms.database:
            raise SettingsError(
                f"The database {name!r} cannot be left out: it is the one that is backed up.",
                where=_WHERE,
                fix="Remove the name, or choose another database: [edms] database.",
            )
        if name not in others:
            raise SettingsError(
                f"The EDMS has no other database {name!r}.", where=_WHERE, fix=closest_name(name, [*others])
            )
    for alias, database in others.items():
        if not database.copy_of_first:
            yield _finding(database, _routed_to(report.models, alias), left_out=alias in settings.exclude.databases)


def _routed_to(models: Sequence[ProbeModel], alias: str) -> tuple[str, ...]:
    return tuple(model.label for model in models if model.database == alias)


def _finding(database: ProbeDatabase, labels: tuple[str, ...], *, left_out: bool) -> Finding:
    subject = f"DATABASES[{database.alias!r}]"
    routed = f" {_count(len(labels))} there by the EDMS's routers: {_listed(labels)}." if labels else ""
    if left_out:
        message = f"[exclude] databases leaves it out on purpose.{routed} Its rows are not in a snapshot."
        return make_finding("other-database-excluded", subject, message, count=len(labels) or 1, examples=labels[:5])
    message = f"The EDMS has another database ({database.vendor}). Its rows are not in a snapshot.{routed}"
    return make_finding(
        "other-database", subject, message, count=len(labels) or 1, examples=labels[:5], fix=_fix(database)
    )


def _fix(database: ProbeDatabase) -> str:
    then = f'Then say so here: [exclude] databases = ["{database.alias}"].'
    try:
        DatabaseAddress.from_probe(database)
    except UnsupportedEngine:
        return f"edms-backup cannot back up this engine: use the engine's own tools. {then}"
    return (
        f'Back it up with a settings file of its own, in which [edms] database = "{database.alias}"; or leave it out if nothing in it '
        f"is to be kept. {then}"
    )


def tables_of_others(tables: Mapping[str, ProbeModel]) -> Iterator[Finding]:
    """A finding for each table of this database whose model has its rows in another.

    Args:
        tables: id of the table -> the model.
    """
    for table_id, model in tables.items():
        yield make_finding(
            "table-of-another-database",
            table_id,
            f"The table is empty here. The EDMS's routers keep the rows of {model.label} in DATABASES[{model.database!r}]. Generic "
            "references to them are counted as dangling here: do not delete the rows that have them.",
        )


def _count(models: int) -> str:
    return "The rows of one model are" if models == 1 else f"The rows of {models} models are"


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 5} more" if len(labels) > 5 else ""
    return f"{', '.join(labels[:5])}{more}"
