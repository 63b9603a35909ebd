"""Run the EDMS's own `migrate` up to the snapshot's migrations."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.manifest import Manifest


def commands_to(
    manifest: Manifest,
    report: ProbeReport,
    planned: Collection[tuple[str, str]],
    alias: str,
    made_by: Literal["migrations", "models"] = "migrations",
) -> list[list[str]]:
    """The `migrate` commands that bring an empty database to a snapshot's migrations.

    Args:
        manifest: the snapshot's manifest.
        report: the probe's report on the EDMS.
        planned: (app, name) of the code's migrations that the snapshot does not have.
        alias: the alias of the EDMS's database in DATABASES.
        made_by: "models": no migration is known (`from_models` of `run_on_another_engine`), all tables are made from the models.
    """
    # Verbosity 1 names each migration before it runs, and so the one that fails.
    options = ["--no-input", "--verbosity", "1", "--database", alias]
    if made_by == "models":
        return [["migrate", "--run-syncdb", *options]]
    if not planned:
        # Apps without migrations come last: they may refer to apps with migrations, but not the other way round.
        return [["migrate", *options], ["migrate", "--run-syncdb", *options]]
    applied = {(app, name) for app, name in manifest.edms.migrations_applied}
    done = {
        migration.key: migration
        for migration in report.migrations
        if migration.key not in planned
        and (migration.key in applied or (migration.replaces and applied.issuperset(migration.replaces)))
    }
    superseded = {key for migration in done.values() for key in migration.replaces if key != migration.key}
    followed = {
        other
        for migration in done.values()
        if migration.key not in superseded
        for other in migration.dependencies
        if other[0] == migration.app
    }
    ends = sorted(done.keys() - superseded - followed)
    return [["migrate", app, name, *options] for app, name in ends]


def unfinished_migration(said: str) -> str | None:
    """The migration (`app.name`) that `migrate` began and did not finish; None if it had not begun any."""
    begun = re.findall(r"^\s*(?:Applying|Unapplying) (\S+)\.\.\.(.*)$", said, re.MULTILINE)
    return begun[-1][0] if begun and "OK" not in begun[-1][1] else None
