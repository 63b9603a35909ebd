"""A dump of an engine as the source of a conversion: restored into a throwaway database, and described with or without the EDMS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import DumpLimits, RestoredDump
from edms_tasks.databases.dumps import restored_dump as restored_by_engine
from edms_tasks.errors import EdmsNotImportable
from edms_tasks.findings import make_finding
from edms_tasks.inventory.database_only import report_without_edms
from edms_tasks.inventory.model import Finding
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe_on
from edms_tasks.legacy.engine_dump_reader import dump_in
from edms_tasks.legacy.old_backup import EngineDump
from edms_tasks.periods import seconds_of
from edms_tasks.settings import Settings
from flows.restoring.target import address_of, ask_edms
from flows.running.run import Run

_NAMED = 5
_EXPANSION, _SMALLEST = 100, 1 << 30  # how many times its size a dump may take, and what every dump may


@dataclass(frozen=True)
class DescribedDump:
    """A restored dump, the report on it, and all findings."""

    restored: RestoredDump
    report: ProbeReport
    findings: tuple[Finding, ...]

    @property
    def left_out(self) -> tuple[Path, ...]:
        """None: what a dump's tables hold is restored as a whole."""
        return ()

    @property
    def address(self) -> DatabaseAddress:
        """The throwaway database."""
        return self.restored.address


@contextmanager
def restored_dump(run: Run, dump: EngineDump, folder: Path) -> Iterator[DescribedDump]:
    """Restore a dump into a throwaway database, which is removed at the end whatever happens.

    Args:
        run: the run.
        dump: a dump that was read, not only looked at.
        folder: for a database that is a file.

    Raises:
        DumpRefused, UnreadableBackup: nothing of the dump can be converted.
        SettingsError, MayNotCreateDatabases, ServerNotReady, ToolMissing: there is no server that can restore it.
    """
    assert dump.path is not None  # it was read
    notes: list[str] = []
    file = dump_in(dump.form, dump.path, limits_of(run.settings, dump.path))
    server = address_of(run.settings, ask_edms(run, notes)) if file.needs_a_server else None
    for note in notes:
        run.say(note)
    with restored_by_engine(file, server, folder, database=dump.database) as restored:
        report, found = _report(run, restored.address)
        yield DescribedDump(restored, report, (*restored.findings, *found))


def limits_of(settings: Settings, path: Path) -> DumpLimits:
    """What may be spent on the dump in a file or folder."""
    size = settings.convert.size_mb
    # A folder may hold much besides the dump: then more is allowed.
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    held = sum(one.stat().st_size for one in files)
    return DumpLimits(
        seconds=seconds_of(settings.convert.time),
        size=size << 20 if size is not None else max(_EXPANSION * held, _SMALLEST),
    )


def _report(run: Run, address: DatabaseAddress) -> tuple[ProbeReport, tuple[Finding, ...]]:
    """What the EDMS's code says of the database; without the code, what the database says of itself."""
    try:
        report = run_probe_on(run.settings, address)
    except EdmsNotImportable as error:
        without = make_finding(
            "dump-without-edms", "models", f"{error.what} {error.why} The tables are described by the database alone."
        )
        return report_without_edms(address, run.settings), (without,)
    return report, tuple(_of_migrations(report))


def _of_migrations(report: ProbeReport) -> Iterator[Finding]:
    """Migrations that the dump has and the code does not; those that it lacks are a finding of every backup."""
    known, apps = set(report.migrations_known), set(report.apps)
    unknown = [key for key in report.migrations_applied if key[0] in apps and key not in known]
    if unknown:
        names = tuple(f"{app}.{name}" for app, name in unknown)
        yield make_finding(
            "dump-newer-than-code",
            "django_migrations",
            f"The dump has {len(names):,} migrations that the EDMS's code does not have.",
            count=len(names),
            examples=names[:_NAMED],
        )
