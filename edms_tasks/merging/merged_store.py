"""Merge files into a store of objects: staged beside the live ones, read back, and copied to their names by the store.

A store cannot rename and cannot change two objects in one step: until the database is committed, what was written is taken back if
anything fails. What a killed merge leaves is objects that no row names, which the next merge finds equal; staged ones are removed by
the next restore or merge.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from edms_tasks.errors import EdmsBackupError, MergeRefused, TerminalError
from edms_tasks.files.index import ROWS_AT_ONCE, OpenedIndex, readable
from edms_tasks.files.index_part import part_of
from edms_tasks.files.live_stores import LiveStores, require_apart
from edms_tasks.files.progress import Progress
from edms_tasks.merging.live_files import Compare, There, Writes
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.disk_space import require_space

if TYPE_CHECKING:
    from edms_tasks.files.store_place import StorePlace  # botocore is an extra

_NAMED = 5
_TABLE = "CREATE TABLE live (key BLOB PRIMARY KEY, size INTEGER, sha256 TEXT) WITHOUT ROWID"
_KNOWN = """
    SELECT encode(live.key), live.size, known.sha256
    FROM read_parquet({listed}) AS live
    LEFT JOIN ({known}) AS known
        ON known.path = encode(live.key) AND known.size = live.size AND known.mtime_ns = live.mtime_ns AND known.inode = live.tag
"""
_OF_THE_SNAPSHOT = "SELECT path, size, mtime_ns, inode, sha256 FROM read_parquet([{paths}]) WHERE kind = 'file'"
_OF_ANOTHER = "SELECT ''::BLOB AS path, 0 AS size, 0 AS mtime_ns, 0 AS inode, '' AS sha256 WHERE false"


class MergedStore:
    """Files of the EDMS in a store; see `LiveFiles`."""

    def __init__(self, address: str, stores: LiveStores) -> None:
        self._address, self._stores = address, stores
        self._staging = ""
        self._written: list[tuple[str, bool]] = []  # key, and whether it replaces an object
        self._aside: Path | None = None

    @property
    def address(self) -> str:
        """Its address."""
        return self._address

    def names(self) -> Iterator[bytes]:
        """See `LiveFiles`."""
        following = ""
        while True:
            found, following = self._live.objects(following)
            yield from (one.key.encode() for one in found if one.key)
            if not following:
                return

    @contextmanager
    def looked_at(self, opened: OpenedIndex) -> Iterator[Compare]:
        """See `LiveFiles`. The store is listed; an object is read if it has the size, but is not the one that was backed up."""
        listed = opened.folder / "live.parquet"
        self._live.list_into(listed)
        known = _OF_ANOTHER
        if opened.paths and opened.index.root.path == self._address:
            known = _OF_THE_SNAPSHOT.format(paths=", ".join(literal(str(path)) for path in opened.paths))
        with closing(sqlite3.connect(opened.folder / "live.sqlite3")) as objects:
            objects.execute(_TABLE)
            with opened.workspace() as cursor:
                _fill(objects, cursor.sql(_KNOWN.format(listed=literal(str(listed)), known=known)))
            yield partial(self._compare, opened.index.root.name, objects)

    def stage(
        self, opened: OpenedIndex, writes: Writes, size: int, repository: Repository, progress: Progress | None
    ) -> None:
        """See `LiveFiles`. What killed runs left is removed first.

        Raises:
            StoreNotWritten: there is no place beside the live objects.
            SettingsError: another root is among the objects.
            RepositoryForbidden: the credentials may not write or remove.
            TerminalError: a staged object is not what was written.
        """
        from edms_tasks.files.store_restore import write_objects

        require_apart([self._address], self._stores)
        self._stores.remove_left_by_killed_runs(self._address)
        self._stores.require_writable(self._address)
        self._staging = self._stores.staging(self._address)
        part = part_of(opened, {name: final for name, (final, _) in writes.items()})
        write_objects(part, repository, self._staged, self._live, progress)
        self._require_as_written(part)

    def move_in(self, root: str, writes: Writes, aside: Path) -> None:
        """See `LiveFiles`. What is replaced is kept in `aside` and, to be taken back, beside the live objects.

        Raises:
            MergeRefused: also if an object was written or removed meanwhile.
            RepositoryUnreachable, RepositoryForbidden, NoSpace: some objects may be written; `take_back` undoes it.
        """
        from edms_tasks.files.store_copying import on_threads

        self._aside = aside / root
        finals = sorted(writes.values())
        for _ in on_threads(lambda one: self._move_in(one[0].decode(), replaces=one[1]), finals):
            pass

    def take_back(self) -> None:
        """See `LiveFiles`. Raises TerminalError if the store does not let it be done; it names the objects."""
        from edms_tasks.files.store_copying import same_object

        left: list[str] = []
        why = ""
        for key, replaced in reversed(self._written):
            try:
                if replaced:
                    self._copy(key, self._replaced, self._live)
                elif same_object(self._live, self._staged, key):  # what somebody else wrote there is not ours to remove
                    self._live.remove(key)
            except EdmsBackupError as error:
                left.append(key)
                why = str(error.what)
        self._written = []
        if left:
            raise TerminalError(
                "The database is unchanged, but objects that the merge had written could not be taken back.",
                where=self._address,
                why=f"{why} Objects: {_some(left)}",
                fix=f"Those that were replaced are kept in {self._aside}: put these back. The others belong to no row, and the next "
                "merge finds them equal.",
            )

    def remove_staged(self) -> None:
        """See `LiveFiles`."""
        from edms_tasks.files.store_copying import remove_all

        if self._staging:
            remove_all(self._stores.place(self._staging, self._address))
            self._staging = ""

    @cached_property
    def _live(self) -> StorePlace:
        return self._stores.place(self._address, self._address)

    @property
    def _staged(self) -> StorePlace:
        return self._stores.place(f"{self._staging}/new", self._address)

    @property
    def _replaced(self) -> StorePlace:
        return self._stores.place(f"{self._staging}/replaced", self._address)

    def _compare(self, root: str, objects: sqlite3.Connection, name: bytes, size: int, sha256: str) -> There:
        from edms_tasks.files.store_restore import require_possible_key

        require_possible_key(root, name, self._live)
        found = objects.execute("SELECT size, sha256 FROM live WHERE key = ?", (name,)).fetchone()
        if found is None:
            return "no file" if _is_in_the_way(objects, name) else "missing"
        if found[0] != size:
            return "differs"
        return "same" if (found[1] or self._hash_of(name.decode())) == sha256 else "differs"

    def _hash_of(self, key: str) -> str:
        try:
            return self._live.hash_of(key)[1]
        except FileNotFoundError as error:
            raise _written_meanwhile(self._address, key) from error

    def _require_as_written(self, part: OpenedIndex) -> None:
        from edms_tasks.files.store_copying import on_threads

        staged = self._staged

        def wrong(row: tuple[bytes, int, str]) -> str:
            key = row[0].decode()
            try:
                return "" if staged.hash_of(key) == (row[1], row[2]) else key
            except FileNotFoundError:
                return key

        rows = (
            row
            for batch in part.batches()
            for row in zip(*(batch[name].to_pylist() for name in ("path", "size", "sha256")), strict=True)
        )
        found = [key for key in on_threads(wrong, rows) if key]
        if found:
            raise TerminalError(
                "Staged objects are not what was written.",
                where=self._staging,
                why=_some(found),
                fix="Nothing was changed. Find out what else writes beside the live objects, and run the merge again.",
            )

    def _move_in(self, key: str, *, replaces: bool) -> None:
        from edms_tasks.files.store_copying import same_object

        there = self._live.look_up(key)
        if there is not None and not replaces:
            raise MergeRefused(
                "An object has appeared where the merge was to add one of the snapshot's.",
                where=f"{self._address}: {key}",
                fix="Nothing was changed. Run the merge again.",
            )
        if there is not None:
            self._keep(key, there.total)
        self._written.append((key, there is not None))
        self._copy(key, self._staged, self._live)
        if not same_object(self._live, self._staged, key):
            raise _written_meanwhile(self._address, key)

    def _keep(self, key: str, size: int) -> None:
        """Keep the live object of that key on disk, and beside the live ones."""
        assert self._aside is not None  # set by `move_in`
        kept = self._aside / key
        kept.parent.mkdir(parents=True, exist_ok=True)
        require_space(kept.parent, size, "the objects that the merge replaces")
        with kept.open("xb") as file:
            try:
                file.writelines(self._live.blocks(key))
            except FileNotFoundError as error:
                raise _written_meanwhile(self._address, key) from error
        self._copy(key, self._live, self._replaced)

    def _copy(self, key: str, source: StorePlace, target: StorePlace) -> None:
        found = source.look_up(key)
        if found is None:
            raise _written_meanwhile(source.url, key)
        target.copy_from(source, key, found.total)


def _fill(objects: sqlite3.Connection, found: duckdb.DuckDBPyRelation) -> None:
    for batch in found.to_arrow_reader(ROWS_AT_ONCE):
        rows: Iterable[tuple[bytes, int, str]] = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        objects.executemany("INSERT INTO live VALUES (?, ?, ?)", rows)


def _is_in_the_way(objects: sqlite3.Connection, name: bytes) -> bool:
    """Whether objects are below a name as if it were a folder, or one of its folders is an object."""
    parts = name.split(b"/")
    folders = [b"/".join(parts[:depth]) for depth in range(1, len(parts))]
    below = objects.execute("SELECT 1 FROM live WHERE key >= ? AND key < ? LIMIT 1", (name + b"/", name + b"0"))
    return below.fetchone() is not None or any(
        objects.execute("SELECT 1 FROM live WHERE key = ?", (folder,)).fetchone() for folder in folders
    )


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:_NAMED]) + (" and others" if len(keys) > _NAMED else "")


def _written_meanwhile(where: str, key: str) -> MergeRefused:
    return MergeRefused(
        "Objects were written or removed while they were merged.",
        where=f"{where}: {readable(key.encode())}",
        fix="Nothing was changed. Find out what else writes there, and run the merge again.",
    )
