"""Check a profile against an EDMS: which lines find nothing, or are wrong. Changes and stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.doctor.profile_lines import ProfileLine, Verdict, assess_lines, entries_of, try_lines, with_lines
from edms_tasks.doctor.root_listing import tabulate_names
from edms_tasks.inventory.build_inventory import build_inventory
from edms_tasks.inventory.model import Inventory
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.scratch.run_folder import run_folder
from edms_tasks.settings import ExcludeSettings, Settings, settings_from
from flows.doctor import rows_read
from flows.initialising.profiles import Profile, profile_from
from flows.running.run import Run
from flows.tasks.inspect_tasks import check_database, require_reachable


@dataclass(frozen=True)
class CheckedProfile:
    """The verdict on each line of a profile."""

    profile: Profile
    edms: str
    database: str
    lines: tuple[ProfileLine, ...]
    seconds: dict[str, float]

    def count(self, verdict: Verdict) -> int:
        """The number of lines with this verdict."""
        return sum(line.verdict == verdict for line in self.lines)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "profile": self.profile.name,
            "title": self.profile.title,
            "edms": self.edms,
            "database": self.database,
            "fits": not self.count("wrong"),
            "counts": {verdict: self.count(verdict) for verdict in ("right", "nothing", "wrong")},
            "lines": [line.model_dump(mode="json") for line in self.lines],
            "seconds": self.seconds,
        }


def check_profile(run: Run, name: str) -> CheckedProfile:
    """Try each line of a profile on the real rows and files.

    Args:
        run: its settings name the EDMS. Keys, references and exclusions in them are replaced by those of the profile.
        name: a file, or the name of a shipped profile.

    Raises:
        CommandError, SettingsError: there is no such profile, or it is not TOML.
        EdmsNotImportable, DatabaseRefused: the EDMS cannot be read.
    """
    profile = profile_from(name)
    with run.stage("inspect"):
        report = run_probe(run.settings)
        address = DatabaseAddress.from_probe(report.databases[0])
        database = open_database(address)
        run.call(check_database, database)
        require_reachable(report, address)
    with run_folder(run.settings.workdir, "profile") as folder, database.view(folder, run.settings.jobs) as view:
        tables = view.tables()

        def read(values: Mapping[str, Any]) -> Settings:
            lines = settings_from(dict(values), where=Path(f"{profile.name}.toml"))
            return with_lines(run.settings, lines, values)

        def build(settings: Settings) -> Inventory:
            return build_inventory(report, tables, settings, address.engine)

        settings, tried = try_lines(tuple(entries_of(profile.values)), read, build)
        # Read all tables, also those that the profile excludes: the rows for these lines are counted, too.
        whole = replace(run, settings=settings.model_copy(update={"exclude": ExcludeSettings()}))
        with rows_read(whole, report, address, view, folder) as found, run.stage("assess"):
            with found.keys.workspace.cursor() as cursor:
                tabulate_names(cursor, found.names)
            lines = assess_lines(tried, found.keys, found.roots)
    return CheckedProfile(
        profile=profile,
        edms=f"{report.settings_module}, Django {report.django}, Python {report.python}",
        database=address.display,
        lines=(*_detecting(profile, report), *lines),
        seconds=run.seconds,
    )


def _detecting(profile: Profile, report: ProbeReport) -> tuple[ProfileLine, ...]:
    """The verdicts on the lines by which `init` recognises such an EDMS."""
    missing = profile.missing(report)
    return tuple(
        ProfileLine(
            section="profile.detect",
            line=f"{kind}: {name}",
            verdict="wrong" if name in missing else "right",
            count=0 if name in missing else 1,
            found="The EDMS has none of that name; `init` would not take the profile."
            if name in missing
            else "it is there",
        )
        for kind, names in (("models", profile.models), ("apps", profile.apps))
        for name in names
    )
