"""Promote and roll back: the staged database and folders become the live ones, and the live ones are kept.

The database changes in one atomic step, each folder in two renames; no system call does both. So the plan is written
to a journal first, and whoever comes next finishes a promotion that was cut short: forward once the database has
changed, back if it has not.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from edms_tasks.databases import Database
from edms_tasks.errors import NothingToRollBack, TargetInUse, TerminalError
from edms_tasks.inventory.model import Value


class FolderSwap(Value):
    """A folder of files: `incoming` becomes `live`, what was there becomes `previous`."""

    live: str
    incoming: str
    previous: str
    replaces: bool  # there was a live folder when the plan was made
    brings: bool  # there was an incoming one


class Promotion(Value):
    """One promotion, planned or done."""

    stamp: str  # UTC, 20261122T233000
    kind: Literal["restore", "rollback"]
    snapshot_id: str
    database: str  # for people: the live database
    live: str
    incoming: str
    previous: str
    replaces: bool  # there was a live database when the plan was made
    folders: tuple[FolderSwap, ...]
    state: Literal["started", "done", "rolled back"]


@dataclass(frozen=True)
class Journal:
    """All promotions on record, in one file that is replaced whole."""

    path: Path

    def read(self) -> list[Promotion]:
        """Oldest first; raises TerminalError where the file is damaged."""
        if not self.path.exists():
            return []
        try:
            return [Promotion.model_validate(entry) for entry in json.loads(self.path.read_text(encoding="utf-8"))]
        except (ValueError, ValidationError) as error:
            raise TerminalError(
                "The journal of promotions cannot be read.",
                where=str(self.path),
                why=str(error).splitlines()[0],
                cure="Move it away once you have made sure that the live database is the one you want; rollback then starts anew.",
            ) from error

    def write(self, promotions: Sequence[Promotion]) -> None:
        """Replace the file and wait for the disk."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump([promotion.model_dump(mode="json") for promotion in promotions], stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(fresh, self.path)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold this EDMS's restores and rollbacks apart; the kernel releases the lock when a holder dies.

        Raises:
            TargetInUse: another restore or rollback is running.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TargetInUse(
                    "Another restore or rollback of this EDMS is running.",
                    where=str(self.path.parent),
                    cure="Wait for it to end.",
                ) from error
            yield

    def record(self, promotion: Promotion) -> None:
        """Add a promotion, or replace the one of the same stamp."""
        others = [entry for entry in self.read() if entry.stamp != promotion.stamp]
        self.write([*others, promotion])


def plan(
    database: Database, journal: Journal, *, snapshot_id: str, incoming: str, folders: Sequence[tuple[Path, Path]]
) -> Promotion:
    """The plan of promoting a staged database and (live, staged) folders."""
    stamp = _stamp(journal)
    return Promotion(
        stamp=stamp,
        kind="restore",
        snapshot_id=snapshot_id,
        database=database.address.display,
        live=database.address.name,
        incoming=incoming,
        previous=database.previous_name(stamp),
        replaces=database.exists(database.address.name),
        folders=tuple(_folder_swap(live, staged, f"{live}.previous-{stamp}") for live, staged in folders),
        state="started",
    )


def carry_out(promotion: Promotion, database: Database, journal: Journal, *, disconnect: bool) -> Promotion:
    """Do what the plan says. Raises TargetInUse before anything is changed."""
    os.sync()  # staged files must be on the disk before anything gives way to them
    journal.record(promotion)
    try:
        database.swap(promotion.incoming, promotion.previous, disconnect=disconnect)
    except BaseException:
        if database.exists(promotion.incoming):  # not swapped: the plan never began
            journal.write([entry for entry in journal.read() if entry.stamp != promotion.stamp])
        raise
    return _finish(promotion, journal)


def recover(database: Database, journal: Journal) -> tuple[str, ...]:
    """Finish or forget a promotion that a kill cut short; returns what was done, for people."""
    notes = []
    for promotion in journal.read():
        if promotion.state != "started" or promotion.live != database.address.name:
            continue
        if database.exists(promotion.incoming):
            journal.write([entry for entry in journal.read() if entry.stamp != promotion.stamp])
            notes.append(
                f"The promotion of {promotion.stamp} had not begun when it was cut short; the live system is as it was."
            )
        else:
            _finish(promotion, journal)
            notes.append(
                f"The promotion of {promotion.stamp} was cut short after the database had changed; its files have now followed."
            )
    return tuple(notes)


def roll_back(database: Database, journal: Journal, *, disconnect: bool) -> Promotion:
    """Swap the last promoted restore with what was live before it.

    Raises:
        NothingToRollBack: there is none, or its previous database is gone.
    """
    recover(database, journal)
    done = [p for p in journal.read() if p.state == "done" and p.kind == "restore" and p.live == database.address.name]
    if not done:
        raise NothingToRollBack(
            "There is no promoted restore to roll back.",
            where=str(journal.path),
            cure="`edms-backup list` shows the snapshots there are.",
        )
    last = done[-1]
    if not database.exists(last.previous):
        raise NothingToRollBack(
            "The database from before the restore is gone.",
            where=last.previous,
            cure="Restore a snapshot instead: `edms-backup list`.",
        )
    stamp = _stamp(journal)
    back = Promotion(
        stamp=stamp,
        kind="rollback",
        snapshot_id=last.snapshot_id,
        database=last.database,
        live=last.live,
        incoming=last.previous,
        previous=database.previous_name(f"undone_{stamp}"),
        replaces=True,
        folders=tuple(_folder_swap(Path(f.live), Path(f.previous), f"{f.live}.undone-{stamp}") for f in last.folders),
        state="started",
    )
    finished = carry_out(back, database, journal, disconnect=disconnect)
    journal.record(last.model_copy(update={"state": "rolled back"}))
    return finished


def staging_folder(live: Path) -> Path:
    """Where a root's files are staged: beside it, on the same disk, so that a rename can promote them."""
    return live.with_name(live.name + ".edms-staging")


def check_folder(live: Path, needed: int) -> None:
    """Whether a folder can be staged beside and swapped; raises before anything is changed."""
    parent = live.parent
    if live.is_mount():
        raise TerminalError(
            "A folder of files is a mount point, so it cannot be swapped by renaming.",
            where=str(live),
            cure="Restore with --into and copy the files, or point the EDMS (and [files] roots) at a folder inside the mount.",
        )
    existing = parent
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        raise TerminalError(
            "The files cannot be staged.",
            where=str(existing),
            why="No permission to write there.",
            cure="Mend the folder's permissions.",
        )


def remove_staged(folders: Sequence[Path]) -> None:
    """Remove staged folders of this or a killed run."""
    for folder in folders:
        if folder.exists():
            shutil.rmtree(folder)


def _finish(promotion: Promotion, journal: Journal) -> Promotion:
    """The folders' part, from wherever it stopped."""
    for swap in promotion.folders:
        live, incoming, previous = Path(swap.live), Path(swap.incoming), Path(swap.previous)
        moved_aside = not swap.replaces or previous.exists()
        if swap.brings and not incoming.exists():
            if moved_aside and live.exists():
                continue  # done before the cut
            raise TerminalError(
                "A folder that should have followed the database is gone.",
                where=swap.incoming,
                why="Something removed it between the two halves of a promotion.",
                cure="The database is the restored one, the files are the old ones: run `edms-backup restore` again.",
            )
        if not moved_aside and live.exists():
            live.rename(previous)
        if swap.brings:
            live.parent.mkdir(parents=True, exist_ok=True)
            incoming.rename(live)
    done = promotion.model_copy(update={"state": "done"})
    journal.record(done)
    return done


def pending(journal: Journal) -> bool:
    """Whether a promotion has begun and not ended: what it staged must then be left for `recover`."""
    return any(promotion.state == "started" for promotion in journal.read())


def _folder_swap(live: Path, incoming: Path, previous: str) -> FolderSwap:
    return FolderSwap(
        live=str(live), incoming=str(incoming), previous=previous, replaces=live.exists(), brings=incoming.exists()
    )


def _stamp(journal: Journal) -> str:
    """A second-precise UTC stamp nobody has used yet."""
    taken = {entry.stamp for entry in journal.read()}
    base = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    stamp, number = base, 1
    while stamp in taken:
        number += 1
        stamp = f"{base}n{number}"
    return stamp
