"""The records of promotions: a journal in the work folder, and beside the target a record of an unfinished one.

`rollback` reads the journal. The record is for runs with another work folder: it shows that the target is only half swapped.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from edms_tasks.durable import private_folder, remove_durably, write_durably
from edms_tasks.errors import RepositoryForbidden, TerminalError
from edms_tasks.files.live_stores import LiveStores
from edms_tasks.inventory.file_stores import is_store
from edms_tasks.inventory.model import Value
from edms_tasks.json_text import parsed_json

if TYPE_CHECKING:
    from edms_tasks.files.store_place import StorePlace  # botocore is an extra


class FolderSwap(Value):
    """The swap of a folder of files: `live` becomes `previous`, and `incoming` becomes `live`. For files in a store all are addresses."""

    live: str
    incoming: str
    previous: str
    replaces: bool  # there was a live folder when the plan was made
    brings: bool  # there was an incoming folder
    identity: str = ""  # of the incoming folder; "": not recorded
    # The following are only for a folder that contains the database. Names of the database's files in it, which stay:
    around: tuple[str, ...] = ()
    # Folders in the live and in the incoming folder that must be made writable to be moved, with their modes:
    modes_live: tuple[tuple[str, int], ...] = ()
    modes_incoming: tuple[tuple[str, int], ...] = ()
    # The incoming entry that is moved last, with its identity (if it is in place, all are), and whether all are known to be in place:
    last: tuple[str, str] | None = None
    # Only for files in a store: hashes of the listings of `incoming` and of `previous`, in which the live objects were copied.
    contents: str = ""
    previous_contents: str = ""
    # Whether all is in place, where the folders do not show it: around a database, or in a store.
    done: bool = False

    @property
    def in_store(self) -> bool:
        """Whether these are places of a store, and not folders."""
        return is_store(self.live)


class Evidence(Value):
    """The validation of a promoted restore, in case its report cannot be found."""

    verdict: str
    rows: int
    tables: int
    files: int
    report: str  # the path of the report, even if it could not be written


class Promotion(Value):
    """One promotion, planned or done. Fields that an earlier release did not record are empty."""

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
    identity: str = ""  # of the incoming database
    previous_identity: str = ""  # of the live database, which becomes `previous`
    set_aside: str = ""  # for people: what was live
    undoes: str = ""  # the stamp of the promotion that a rollback undoes
    confirmation: str = ""  # the confirmation, which is valid once
    run: str = ""  # the id of the run, which its entry in the repository's log has, too
    evidence: Evidence | None = None


@dataclass(frozen=True)
class Journal:
    """The record of all promotions: one file that is replaced atomically. `stores` opens the stores that it names."""

    path: Path
    stores: LiveStores = field(default_factory=LiveStores)

    def read(self) -> list[Promotion]:
        """All promotions, oldest first; raises TerminalError if the file is damaged."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise self._unreadable(str(error)) from error
        try:
            return [Promotion.model_validate(entry) for entry in parsed_json(text)]
        except (ValueError, TypeError, ValidationError) as error:
            raise self._unreadable(str(error).splitlines()[0]) from error

    def record(self, promotion: Promotion) -> None:
        """Add a promotion, or replace the one with the same stamp."""
        with self._locked():
            entries = self.read()
            stamps = [entry.stamp for entry in entries]
            if promotion.stamp in stamps:
                entries[stamps.index(promotion.stamp)] = promotion
            else:
                entries.append(promotion)
            self._write(entries)

    def forget(self, promotion: Promotion) -> None:
        """Remove a promotion that never began."""
        with self._locked():
            self._write([entry for entry in self.read() if entry.stamp != promotion.stamp])

    def _write(self, promotions: Sequence[Promotion]) -> None:
        write_durably(self.path, json.dumps([promotion.model_dump(mode="json") for promotion in promotions], indent=1))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the journal's lock while it is read and written, because a work folder may serve several targets."""
        private_folder(self.path.parent)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _unreadable(self, why: str) -> TerminalError:
        return TerminalError(
            "The journal of promotions cannot be read.",
            where=str(self.path),
            why=why,
            fix="Make sure that the live database is the one you want, then move the file away. Rollback starts with a new journal.",
        )


_RECORD = ".edms-promotion"


def records_of(promotion: Promotion) -> list[Path]:
    """The paths of the records of an unfinished promotion: beside each folder, and beside a database that is a file."""
    places = [Path(swap.live + _RECORD) for swap in promotion.folders if not swap.in_store]
    if os.path.isabs(promotion.live):  # noqa: PTH117 - a database's name, or a file's path
        places.append(Path(os.path.realpath(promotion.live) + _RECORD))
    return places


def write_records(promotion: Promotion, stores: LiveStores) -> None:
    """Write the records, before anything changes."""
    for place in records_of(promotion):
        if place.parent.is_dir():  # without a folder there is no live target, so nothing can be half swapped
            write_durably(place, promotion.model_dump_json(indent=1))
    for store, key in _records_in_stores(promotion, stores):
        store.write(key, (promotion.model_dump_json(indent=1).encode(),), {"ContentType": "application/json"})


def remove_records(promotion: Promotion, stores: LiveStores) -> None:
    """Remove the records of a promotion that is finished or never began."""
    for place in records_of(promotion):
        if place.parent.is_dir():
            remove_durably(place)
    for store, key in _records_in_stores(promotion, stores):
        store.remove(key)


def _records_in_stores(promotion: Promotion, stores: LiveStores) -> Iterator[tuple[StorePlace, str]]:
    return (stores.record(swap.live) for swap in promotion.folders if swap.in_store)


def records_beside(database: str, folders: Sequence[Path], stores: LiveStores) -> list[Promotion]:
    """Unfinished promotions of this target, begun with any work folder."""
    places = [Path(f"{folder}{_RECORD}") for folder in folders]
    if os.path.isabs(database):  # noqa: PTH117
        places.append(Path(os.path.realpath(database) + _RECORD))
    found: dict[str, Promotion] = {}
    for place in places:
        try:
            promotion = _record(place.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise _unreadable_record(str(place), error) from error
        found[promotion.stamp] = promotion
    for name, live in stores.addresses.items():
        if not stores.has_place_beside(name):
            continue
        store, key = stores.record(live)
        try:
            promotion = _record(store.read_small(key).decode())
        except FileNotFoundError:
            continue
        except RepositoryForbidden as error:
            if _is_listed(store, key):
                raise _unreadable_record(f"{store.url}/{key}", error) from error
            continue  # where these credentials may not even list it, docs/storage.md says what to allow them
        except ValueError as error:
            raise _unreadable_record(f"{store.url}/{key}", error) from error
        if promotion.live == database:
            found[promotion.stamp] = promotion
    return list(found.values())


def _is_listed(store: StorePlace, key: str) -> bool:
    """Whether there is an object of that key, as far as these credentials may list it."""
    try:
        return key in store.keys_that_begin(key)
    except RepositoryForbidden:
        return False


def _record(text: str) -> Promotion:
    return Promotion.model_validate_json(text)


def _unreadable_record(where: str, error: Exception) -> TerminalError:
    return TerminalError(
        "The record of an unfinished promotion cannot be read.",
        where=where,
        why=str(error).splitlines()[0],
        fix="Run it with credentials that may read it. If it is damaged, check that the database and the files belong together (see what "
        "ends in .previous-… and .edms-staging-…), then remove it.",
    )
