"""Staging: create the database and folders in which a restore is built, and remove them unless they are promoted or kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edms_tasks import promotion
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.errors import EdmsBackupError
from edms_tasks.files.live_stores import StagedStore
from edms_tasks.files.store_copying import remove_all
from edms_tasks.promotion import Journal, Promotion
from flows.restoring.open_restore import Opened
from flows.restoring.target import Target
from flows.running.printable import error_text
from flows.running.run import Run
from flows.running.stopping import when_stopped
from flows.tasks.restore_tasks import create_staging_database


class StagedCleanup:
    """Removes what was staged at the end of a run, unless it was handed over or a promotion was interrupted.

    The next command finishes an interrupted promotion (`promotion.recover`), and needs what was staged.
    """

    def __init__(
        self, journal: Journal, folders: Sequence[Path], stores: Sequence[StagedStore], say: Callable[[str], None]
    ) -> None:
        self.staging: StagingDatabase | None = None
        self.handed_over = False
        self.promotion: Promotion | None = None  # what handed it over, where it went live
        self._journal = journal
        self._folders, self._stores = folders, stores
        self._say = say

    def __enter__(self) -> StagedCleanup:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self.handed_over or self._is_half_promoted():
            return
        failures: list[Exception] = []
        if self.staging is not None:
            self._remove(self.staging.address.display, self.staging.drop, failures)
        for folder in self._folders:
            self._remove(str(folder), partial(promotion.remove_staged, [folder]), failures)
        for store in self._stores:
            place = self._journal.stores.place(store.staged, store.live)
            self._remove(store.staged, partial(remove_all, place), failures)
        if failures and kind is None:  # otherwise the reason for which the run ends stays its error
            raise failures[0]

    def _remove(self, what: str, remove: Callable[[], None], failures: list[Exception]) -> None:
        try:
            remove()
        except Exception as error:
            why = f"{error.what} {error.why}".rstrip() if isinstance(error, EdmsBackupError) else error_text(error)
            self._say(f"! {what} could not be removed now; the next restore removes it: {why}")
            failures.append(error)

    def _is_half_promoted(self) -> bool:
        staged = self.staging.address.name if self.staging is not None else None
        return any(entry.state == "started" and entry.incoming == staged for entry in self._journal.read())


@dataclass(frozen=True)
class StagingArea:
    """The staging database, its schema, and the staged folders."""

    database: StagingDatabase
    schema: CapturedSchema
    folders: Sequence[Path]
    abandon: StagedCleanup


def stage(run: Run, opened: Opened, target: Target, schema: CapturedSchema, cleanup: ExitStack) -> StagingArea:
    """Create the staging database; `cleanup` removes it, and the staged folders, unless they are handed over."""
    opened.held.require_held()
    folders = [staged for _, _, staged in target.folders]
    when_stopped(
        "The live system is untouched. The staging database and the staged files were removed, the locks released."
    )
    abandon = cleanup.enter_context(
        StagedCleanup(opened.journal, folders, [store for _, store in target.stores], run.say)
    )
    database = run.call(create_staging_database, target.database, schema, target.into, run.settings.restore.jobs)
    abandon.staging = database
    for note in database.notes:
        run.say(note)
    return StagingArea(database, schema, folders, abandon)
