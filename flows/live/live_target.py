"""The live target: the database and the outermost folders of files, with journal and locks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks import promotion
from edms_tasks.databases import Database
from edms_tasks.errors import TargetChanged
from edms_tasks.files.live_stores import LiveStores
from edms_tasks.inventory.address_mapping import named_folders
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.promotion import Journal, LiveTarget, Patience
from edms_tasks.promotion.staged_folders import identity
from edms_tasks.settings import Settings
from flows.running.run import Run


def journal_of(settings: Settings) -> Journal:
    """The journal of promotions of this EDMS."""
    return Journal(settings.workdir / "promotions.json", LiveStores.of(settings))


def live_folders(settings: Settings, report: ProbeReport | None) -> dict[str, Path]:
    """The live folders of files by name, with links resolved."""
    return {name: Path(os.path.realpath(folder)) for name, folder in named_folders(settings, report).items()}


def outermost(folders: Mapping[str, Path]) -> tuple[Path, ...]:
    """The folders that are not inside another of them. Swapping a folder also swaps the folders inside it."""
    found = set(folders.values())
    return tuple(sorted(folder for folder in found if not any(above in found for above in folder.parents)))


def live_target(settings: Settings, database: Database, report: ProbeReport | None) -> LiveTarget:
    """The live database and folders, as a target for locks."""
    return LiveTarget(database, database.address.name, outermost(live_folders(settings, report)))


def finish_interrupted_promotions(target: LiveTarget, journal: Journal, patience: Patience) -> tuple[str, ...]:
    """Finish an interrupted promotion; returns what was done, as sentences. The caller holds the work lock."""
    if not promotion.pending(target.database, journal, target.folders):
        return ()
    with target.still("restore", patience):
        return promotion.recover(target.database, journal, target.folders)


@dataclass
class ConsistentReading:
    """Keeps rows and files in one state while they are read."""

    held: ExitStack
    target: LiveTarget
    notes: tuple[str, ...]
    before: dict[str, str]

    def release(self) -> None:
        """Release the locks after everything is read.

        Raises:
            TargetChanged: the database or a folder was replaced since reading began.
        """
        after = _identities(self.target)
        changed = [name for name, was in self.before.items() if after[name] != was]
        self.held.close()
        if changed:
            raise TargetChanged(
                "The live system was replaced while it was read: its rows and files do not belong together.",
                where=", ".join(changed),
                why="A restore, a rollback or a person has replaced the database or a folder.",
                fix="No snapshot was made. Run the backup again.",
            )


@contextmanager
def read_together(
    run: Run, database: Database, report: ProbeReport, purpose: str = "backup"
) -> Iterator[ConsistentReading]:
    """Keep the live system from being replaced until `release`; an interrupted promotion is finished first.

    A note names what cannot be locked; `release` then detects whether it was replaced.
    """
    target = live_target(run.settings, database, report)
    patience = Patience(run.say)
    journal = journal_of(run.settings)
    if promotion.pending(database, journal, target.folders):
        with target.working("recovery"):
            for note in finish_interrupted_promotions(target, journal, patience):
                run.say(note)
    with ExitStack() as held:
        _, unlocked = held.enter_context(target.read_together(purpose, patience))
        for why in unlocked:
            run.say(f"The target could not be locked. A restore at the same time would be noticed afterwards: {why}")
        together = ConsistentReading(held, target, unlocked, _identities(target))
        yield together


def _identities(target: LiveTarget) -> dict[str, str]:
    found = {str(folder): identity(folder) for folder in target.folders}
    return {**found, target.database.address.display: target.database.identity(target.name)}
