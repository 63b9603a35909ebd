"""Copy objects between two places of a store, remove them, and compare what two places hold. The store does the copying.

Two objects are known to be equal by their ETags where the store gives both the same. Where it does not (objects that were written in
parts, or are encrypted by keys of the provider), both are read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import duckdb

from edms_tasks.files.index import ROWS_AT_ONCE, file_workspace
from edms_tasks.files.object_headers import are_equal
from edms_tasks.files.read_ahead import in_order
from edms_tasks.quoting import literal
from edms_tasks.scratch.duckdb_instance import cursor_of

if TYPE_CHECKING:
    from edms_tasks.files.store_place import Listed, StorePlace  # botocore is an extra

_THREADS = 8
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Held:
    """An object of one place, and that of the same key in another; sizes are None where there is none."""

    key: str
    size: int | None
    other_size: int | None
    same_tag: bool


class ComparedPlaces:
    """Two places, listed, and compared by key."""

    def __init__(
        self, workspace: duckdb.DuckDBPyConnection, folder: Path, place: StorePlace, other: StorePlace
    ) -> None:
        self._workspace = workspace
        self.place, self.other = place, other
        self.listed, self._path = place.list_into(folder / "place.parquet"), folder / "place.parquet"
        self.other_listed, self._other_path = other.list_into(folder / "other.parquet"), folder / "other.parquet"

    def pairs(self) -> Iterator[Held]:
        """Every key of either place, in order."""
        query = f"""
            SELECT coalesce(place.key, other.key), place.size, other.size, coalesce(place.tag = other.tag, false)
            FROM read_parquet({literal(str(self._path))}) AS place
            FULL OUTER JOIN read_parquet({literal(str(self._other_path))}) AS other ON other.key = place.key
            ORDER BY 1
        """
        with cursor_of(self._workspace) as cursor:
            for batch in cursor.sql(query).to_arrow_reader(ROWS_AT_ONCE):
                yield from (Held(*row) for row in zip(*(one.to_pylist() for one in batch.columns), strict=True))

    def equal(self, held: Held) -> bool:
        """Whether both places have the object, and it is the same."""
        if held.size is None or held.size != held.other_size:
            return False
        return held.same_tag or self.place.hash_of(held.key) == self.other.hash_of(held.key)

    def has_same_headers(self, held: Held) -> bool:
        """Whether the object has the same headers in both places."""
        here, there = self.place.headers(held.key), self.other.headers(held.key)
        return here is not None and there is not None and are_equal(here, there)

    def differences(self) -> Iterator[str]:
        """The keys whose objects are not the same in both."""
        for key, is_equal in on_threads(lambda held: (held.key, self.equal(held)), self.pairs()):
            if not is_equal:
                yield key


def same_object(place: StorePlace, other: StorePlace, key: str) -> bool:
    """Whether both places have an object of that key, and it is the same; not if one was replaced while it was read."""
    here, there = place.look_up(key), other.look_up(key)
    if here is None or there is None or here.total != there.total:
        return False
    try:
        return here.etag == there.etag or place.hash_of(key) == other.hash_of(key)
    except FileNotFoundError:
        return False


@contextmanager
def compared(place: StorePlace, other: StorePlace, scratch: Path) -> Iterator[ComparedPlaces]:
    """List and compare two places."""
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="store-", dir=scratch) as folder, file_workspace(Path(folder)) as workspace:
        yield ComparedPlaces(workspace, Path(folder), place, other)


def listed(place: StorePlace, scratch: Path) -> Listed:
    """What a place holds now."""
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="store-", dir=scratch) as folder:
        return place.list_into(Path(folder) / "place.parquet")


def remove_all(place: StorePlace) -> None:
    """Remove all objects of a place, and what was begun there."""
    place.abandon_unfinished()
    following = ""
    while True:
        found, following = place.objects(following)
        for _ in on_threads(lambda one: place.remove(one.key), found):
            pass
        if not following:
            return


def on_threads(work: Callable[[_Given], _Made], given: Iterable[_Given]) -> Iterator[_Made]:
    """The results of requests for each item, in order, some at a time."""
    given = iter(given)
    first = list(itertools.islice(given, 1))
    if first:
        with ThreadPoolExecutor(_THREADS) as threads:
            yield from in_order(threads, work, itertools.chain(first, given), ahead=2 * _THREADS)
