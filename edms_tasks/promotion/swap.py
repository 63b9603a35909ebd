"""Swap the live system with the staged one, and finish a swap that was interrupted.

The database changes in one atomic step, each folder in two renames, and files in a store object by object (`store_swap.py`); nothing
does both in one step. So the plan is first written to the
journal and beside the target, and the next run finishes an interrupted promotion: forward if the database has changed, back if it has
not. The identities of the databases show which is the case.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import Database
from edms_tasks.databases.protocol import Confirmed
from edms_tasks.durable import flush_folder
from edms_tasks.errors import EdmsBackupError, PromotionHalted, TargetChanged
from edms_tasks.promotion import store_swap
from edms_tasks.promotion.journal import (
    Evidence,
    FolderSwap,
    Journal,
    Promotion,
    records_beside,
    remove_records,
    write_records,
)
from edms_tasks.promotion.set_aside_names import SetAside, beside_the_live, new_stamp
from edms_tasks.promotion.staged_folders import identity
from edms_tasks.promotion.swap_around_database import around_the_database, is_in_place, remove_emptied, swap_entries
from edms_tasks.scratch.run_folder import run_folder


@dataclass(frozen=True)
class StagedState:
    """A validated database, and (live, staged) folders and places of stores, each with its identity at the validation."""

    database: str
    fingerprint: str
    folders: tuple[tuple[Path, Path, str], ...]
    stores: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(
        cls,
        database: str,
        fingerprint: str,
        folders: Sequence[tuple[Path, Path]],
        stores: tuple[tuple[str, str, str], ...] = (),
    ) -> StagedState:
        """The database and folders with the folders' present identities; `stores` have theirs."""
        return cls(database, fingerprint, tuple((live, staged, identity(staged)) for live, staged in folders), stores)

    def require_folders(self) -> None:
        """Check that each staged folder is the one that was validated; raises TargetChanged."""
        for _, staged, expected in self.folders:
            if identity(staged) != expected:
                raise TargetChanged(
                    "A folder to be promoted is not the one that was validated.",
                    where=str(staged),
                    why=f"It should be {expected or 'none'}, and is {identity(staged) or 'not there'}.",
                    fix="Nothing was changed. Find out what writes beside the live folder, and run the restore again.",
                )


def plan(
    database: Database,
    journal: Journal,
    staged: StagedState,
    *,
    snapshot_id: str,
    confirmation: str = "",
    evidence: Evidence | None = None,
    run: str = "",
) -> Promotion:
    """The plan for promoting a staged database and folders."""

    lives = [str(live) for live, _, _ in (*staged.folders, *staged.stores)]

    def names(stamp: str) -> SetAside:
        return SetAside(database.previous_name(stamp), beside_the_live(lives, journal, f"previous-{stamp}"))

    stamp = new_stamp(journal, database, names)
    live, aside = database.address.name, names(stamp)
    swaps = [folder_swap(database, at, incoming, aside.places[str(at)]) for at, incoming, _ in staged.folders]
    swaps += [store_place_swap(at, incoming, aside.places[at], its) for at, incoming, its in staged.stores]
    return Promotion(
        stamp=stamp,
        kind="restore",
        snapshot_id=snapshot_id,
        database=database.address.display,
        live=live,
        incoming=staged.database,
        previous=aside.database,
        replaces=database.exists(live),
        folders=tuple(swaps),
        state="started",
        identity=database.identity(staged.database),
        previous_identity=database.identity(live),
        set_aside=describe_live(database, journal),
        confirmation=confirmation,
        evidence=evidence,
        run=run,
    )


def carry_out(
    promotion: Promotion,
    database: Database,
    journal: Journal,
    *,
    fingerprint: str,
    confirm: Callable[[], None],
    disconnect: bool,
) -> Promotion:
    """Carry out the plan.

    Args:
        promotion: the plan.
        database: the live database.
        journal: the journal, in which the plan is recorded first.
        fingerprint: fingerprint of the incoming database, as validated.
        confirm: called immediately before the swap; raises if the plan must not be carried out.
        disconnect: end other connections to the live database.

    Raises:
        TargetInUse, TargetChanged, LockLost: nothing was changed; also errors of a store in which live objects are set aside.
        PromotionHalted: the database was swapped, or may have been, but the folders could not be.
    """
    os.sync()  # staged files must be on the disk before they replace anything
    journal.record(promotion)
    try:
        write_records(promotion, journal.stores)
        promotion = _set_objects_aside(promotion, journal)
        database.swap(
            promotion.incoming,
            promotion.previous,
            expected=fingerprint,
            confirm=confirm,
            disconnect=disconnect,
            confirmed=_confirmed(promotion),
        )
    except BaseException as error:
        if not _has_swapped_in_spite_of(error, promotion, database, journal):  # the plan never began
            with suppress(EdmsBackupError):  # the next run forgets it
                forget(promotion, journal)
            raise
        if not isinstance(error, Exception):  # stopped: the next run finishes it
            raise
        _finish_database(promotion, database)
    return finish(promotion, journal)


def _has_swapped_in_spite_of(error: BaseException, promotion: Promotion, database: Database, journal: Journal) -> bool:
    """Whether the database was swapped before this error, such as a lost answer. Raises PromotionHalted if it does not answer."""
    try:
        return _has_swapped(promotion, database, journal)
    except TargetChanged:
        raise
    except EdmsBackupError as unknown:
        raise _halted(
            unknown.where,
            f"{unknown.what} {unknown.why}".strip(),
            what="Whether the database was replaced by the restored one is not known. The folders of files were not.",
        ) from error


def _finish_database(promotion: Promotion, database: Database) -> None:
    """Do what is left at the databases after their swap. Raises PromotionHalted."""
    try:
        database.finish_swap(promotion.previous, _confirmed(promotion))
    except EdmsBackupError as error:
        raise _halted(error.where, f"{error.what} {error.why}".strip()) from error
    except OSError as error:
        raise _halted(str(error.filename or ""), error.strerror or str(error)) from error


def recover(database: Database, journal: Journal, folders: Sequence[Path]) -> tuple[str, ...]:
    """Finish or discard interrupted promotions; returns what was done, as sentences. The caller holds the locks.

    Raises:
        TargetChanged: the live database is neither the previous one nor the promoted one.
        PromotionHalted: the folders cannot be swapped.
    """
    notes = []
    for promotion in pending(database, journal, folders):
        if _has_swapped(promotion, database, journal):
            _finish_database(promotion, database)
            finish(promotion, journal)
            notes.append(
                f"The promotion of {promotion.stamp} was interrupted after the database was swapped. Its files have now been swapped too."
            )
        else:
            forget(promotion, journal)
            notes.append(
                f"The promotion of {promotion.stamp} was interrupted before it changed anything. The live system is as it was."
            )
    return tuple(notes)


def pending(database: Database, journal: Journal, folders: Sequence[Path]) -> tuple[Promotion, ...]:
    """Unfinished promotions of this target, from this journal or from the records beside the target."""
    live = database.address.name
    found = {one.stamp: one for one in records_beside(live, folders, journal.stores)}
    found |= {one.stamp: one for one in journal.read() if one.state == "started" and one.live == live}
    return tuple(found[stamp] for stamp in sorted(found))


def forget(promotion: Promotion, journal: Journal) -> None:
    """Remove every record of a plan that never began, and the copies that were made for it."""
    for swap in promotion.folders:
        if swap.in_store:
            store_swap.forget_set_aside(swap, journal.stores)
    journal.forget(promotion)
    remove_records(promotion, journal.stores)


def finish(promotion: Promotion, journal: Journal) -> Promotion:
    """Swap the folders that are not swapped yet.

    Raises:
        PromotionHalted: a folder cannot be swapped; the next run tries again.
    """
    try:
        for swap in promotion.folders:
            if swap.around:
                promotion = _swap_around(promotion, swap, journal)
            elif swap.in_store:
                promotion = _swap_objects(promotion, swap, journal)
            else:
                _swap_folder(swap)
    except PromotionHalted:
        raise
    except EdmsBackupError as error:
        raise _halted(error.where, f"{error.what} {error.why}".strip()) from error
    except OSError as error:
        raise _halted(str(error.filename or ""), error.strerror or str(error)) from error
    done = promotion.model_copy(update={"state": "done"})
    journal.record(done)
    if done.undoes:
        for entry in journal.read():
            if entry.stamp == done.undoes:
                journal.record(entry.model_copy(update={"state": "rolled back"}))
    remove_records(promotion, journal.stores)
    return done


def _confirmed(promotion: Promotion) -> Confirmed | None:
    return Confirmed(promotion.confirmation, promotion.stamp) if promotion.confirmation else None


def folder_swap(database: Database, live: Path, incoming: Path, previous: str) -> FolderSwap:
    """The plan for one folder, from its present state.

    Raises:
        TerminalError: the folder contains the database, and an entry beside it cannot be moved.
    """
    plan = FolderSwap(
        live=str(live),
        incoming=str(incoming),
        previous=previous,
        replaces=live.exists(),
        brings=incoming.exists(),
        identity=identity(incoming),
    )
    return around_the_database(plan, database.address.files)


def store_place_swap(live: str, incoming: str, previous: str, its: str) -> FolderSwap:
    """The plan for files in a store; `its` is the identity of the incoming objects."""
    return FolderSwap(live=live, incoming=incoming, previous=previous, replaces=True, brings=True, identity=its)


def describe_live(database: Database, journal: Journal) -> str:
    """A sentence that says what is live now, as far as this journal knows."""
    now = database.identity(database.address.name)
    if not now:
        return "nothing"
    for entry in reversed(journal.read()):
        if entry.live == database.address.name and entry.state != "started":
            if entry.kind == "restore" and entry.identity == now:
                return f"snapshot {entry.snapshot_id[:12]}, restored at {entry.stamp}"
            if entry.kind == "rollback" and entry.identity == now:
                return _brought_back(entry, journal)
    return "the system as it was before any restore on record"


def _brought_back(rollback: Promotion, journal: Journal) -> str:
    undone = next((entry for entry in journal.read() if entry.stamp == rollback.undoes), None)
    return undone.set_aside if undone is not None and undone.set_aside else "the system from before a restore"


def _swap_around(promotion: Promotion, swap: FolderSwap, journal: Journal) -> Promotion:
    """Swap a folder around the database; returns the promotion with a record of it, because the folder alone does not show it."""
    if not swap.done:
        if Path(swap.incoming).exists() or not swap.brings:
            swap_entries(swap)
        elif not is_in_place(swap):
            raise _halted(swap.incoming, "A folder of the interrupted promotion is gone.")
        promotion = _recorded_as_done(promotion, swap, journal)
    remove_emptied(swap)
    return promotion


def _set_objects_aside(promotion: Promotion, journal: Journal) -> Promotion:
    """Copy live objects to where they are kept, and check once more what was staged; nothing live changes."""
    if not any(swap.in_store for swap in promotion.folders):
        return promotion
    with run_folder(journal.path.parent, "promotion") as scratch:
        promotion = store_swap.set_aside(promotion, journal.stores, scratch)
        journal.record(promotion)
        write_records(promotion, journal.stores)
        store_swap.require_unchanged(promotion, journal.stores, scratch)
    return promotion


def _swap_objects(promotion: Promotion, swap: FolderSwap, journal: Journal) -> Promotion:
    """Swap the objects of a store; that it is done is recorded before the incoming ones are removed, which could show it."""
    if not swap.done:
        with run_folder(journal.path.parent, "promotion") as scratch:
            store_swap.bring_in(swap, journal.stores, scratch)
        promotion = _recorded_as_done(promotion, swap, journal)
    store_swap.take_away(swap, journal.stores)
    return promotion


def _recorded_as_done(promotion: Promotion, swap: FolderSwap, journal: Journal) -> Promotion:
    done = swap.model_copy(update={"done": True})
    folders = tuple(done if one == swap else one for one in promotion.folders)
    promotion = promotion.model_copy(update={"folders": folders})
    write_records(promotion, journal.stores)
    journal.record(promotion)
    return promotion


def _swap_folder(swap: FolderSwap) -> None:
    live, incoming, previous = Path(swap.live), Path(swap.incoming), Path(swap.previous)
    moved_aside = not swap.replaces or previous.exists()
    if swap.brings and not incoming.exists():
        if moved_aside and live.exists() and swap.identity in ("", identity(live)):
            return  # done before the interruption
        raise _halted(swap.incoming, "A folder of the interrupted promotion is gone.")
    if not moved_aside and live.exists():
        live.rename(previous)
    if swap.brings:
        live.parent.mkdir(parents=True, exist_ok=True)
        incoming.rename(live)
    if live.parent.is_dir():
        flush_folder(live.parent)


def _has_swapped(promotion: Promotion, database: Database, journal: Journal) -> bool:
    """Whether the incoming database is the live one. Raises TargetChanged if this cannot be determined."""
    if not promotion.identity:  # recorded by an earlier release, without identity
        return not database.exists(promotion.incoming)
    now = database.identity(promotion.live)
    if now == promotion.identity:
        return True
    if now == promotion.previous_identity or database.identity(promotion.incoming) == promotion.identity:
        return False
    if all(_has_followed(swap, journal) for swap in promotion.folders):
        return True  # another run finished it, and then something else went live
    raise TargetChanged(
        f"The promotion of {promotion.stamp} was interrupted, and the live database is neither the previous one nor the restored one.",
        where=promotion.database,
        why=f"It is {now or 'not there'}; the previous one is {promotion.previous_identity or 'not there'}, the restored one "
        f"{promotion.identity}.",
        fix=f"Find out which database and which folders belong together: the previous folders end in .previous-{promotion.stamp}, the "
        "restored ones in .edms-staging-…. Move them to their places by hand, and remove "
        + " and ".join(f"{swap.live}.edms-promotion" for swap in promotion.folders)
        + ".",
    )


def _has_followed(swap: FolderSwap, journal: Journal) -> bool:
    if swap.in_store:
        return not store_swap.exists(journal.stores, swap.incoming, swap.live)
    return not Path(swap.incoming).exists()


_FOLDERS_LEFT = "The database was replaced by the restored one, but a folder of files could not be."


def _halted(where: str, why: str, *, what: str = _FOLDERS_LEFT) -> PromotionHalted:
    return PromotionHalted(
        what,
        where=where,
        why=why,
        fix="Keep the EDMS stopped. Fix the reason, then run `edms-backup rollback`: it first finishes this promotion. If the folder is "
        "gone, run `edms-backup restore` again.",
    )
