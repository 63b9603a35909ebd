"""The report on a database without the EDMS's code: its tables are described by its catalogue alone."""

from __future__ import annotations

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.engines import DJANGO_BACKENDS
from edms_tasks.inventory.probe_report import ProbeDatabase, ProbeReport
from edms_tasks.settings import Settings


def report_without_edms(address: DatabaseAddress, settings: Settings) -> ProbeReport:
    """A report without models, keys and migrations; roots of files are those of the settings."""
    return ProbeReport(
        python="",
        django="",
        settings_module=settings.edms.settings or "",
        databases=(probe_database(address, settings.edms.database),),
        models=(),
        file_roots=(),
        migrations_applied=(),
        migrations_known=(),
        migrations_leaves=(),
        migrations_unapplied=(),
        secret_key_fingerprint="",
    )


def probe_database(address: DatabaseAddress, alias: str) -> ProbeDatabase:
    """An address in the form of the report."""
    return ProbeDatabase(
        alias=alias,
        vendor=address.engine,
        engine=DJANGO_BACKENDS[address.engine],
        name=address.name,
        user=address.user,
        password=address.password.get_secret_value(),
        host=address.host,
        port=address.port,
        options=dict(address.options),
        client_programs=address.client_programs,
        time_zone=address.time_zone,
        recorded_owner=address.recorded_owner,
    )
