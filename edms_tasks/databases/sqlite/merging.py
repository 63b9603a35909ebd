"""Merge into a SQLite file in use by one write transaction. Readers continue; writers wait or get SQLITE_BUSY."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.protocol import TableChange
from edms_tasks.databases.sqlite.connection_pool import OneReader
from edms_tasks.databases.sqlite.staging import insert_rows, untagged
from edms_tasks.databases.sqlite.view import SqliteView, open_view
from edms_tasks.errors import MergeRefused, TargetInUse
from edms_tasks.quoting import identifier

_PATIENCE_MS = 30_000
_BATCH_ROWS = 65_536
_OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"


@contextmanager
def merging(address: DatabaseAddress, scratch: Path) -> Iterator[SqliteMerge]:
    """Take SQLite's write lock and yield the transaction; it is rolled back unless committed.

    From the lock to the commit only ADBC opens the file. It has its own SQLite library, and if a process opens and closes a
    file with a second library, the first one loses its locks (sqlite.org/howtocorrupt.html, section 2.2.1).

    Raises:
        TargetInUse: another process writes for longer than 30 seconds.
    """
    with (
        open_view(address, scratch) as shape,  # a copy to read the schema from; created and closed before the lock
        adbc.connect(address.name, autocommit=True) as connection,
        closing(SqliteView(shape.path, readers=OneReader(connection))) as within,
    ):
        merge = SqliteMerge(address, connection, shape, within)
        merge.begin()
        try:
            yield merge
        finally:
            if not merge.committed:
                merge.execute("ROLLBACK")


class SqliteMerge:
    """The protocol's `MergeTransaction` for SQLite."""

    def __init__(
        self, address: DatabaseAddress, connection: adbc.Connection, shape: SqliteView, within: SqliteView
    ) -> None:
        self.committed = False
        self._address = address
        self._connection = connection
        self._shape = shape
        self._within = within

    def begin(self) -> None:
        """Take the write lock. Raises TargetInUse."""
        # `write` checks all foreign keys at the end: rows that refer to each other have no possible order.
        self.execute("PRAGMA foreign_keys = OFF")
        self.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        try:
            self.execute("BEGIN IMMEDIATE")
        except adbc_driver_manager.Error as error:
            raise self._in_use(str(error)[:500]) from error
        if self._rows(_OBJECTS) != [tuple(str(value) for value in row) for row in self._shape.query(_OBJECTS)]:
            self.execute("ROLLBACK")
            raise self._in_use("Its tables were changed while the merge began.")

    def view(self) -> SqliteView:
        """A view that reads rows through the transaction's connection, one reader at a time, and the schema from the copy."""
        return self._within

    def _in_use(self, why: str) -> TargetInUse:
        return TargetInUse(
            "Another session is writing to the database.",
            where=self._address.display,
            why=why,
            fix="Wait for it to end, or stop the EDMS's workers, and run the merge again. Nothing was changed.",
        )

    def write(self, changes: Sequence[TableChange]) -> None:
        try:
            broken = set(self._broken())
            triggers = self._rows(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql IS NOT NULL ORDER BY rowid"
            )
            for name, _ in triggers:
                self.execute(f"DROP TRIGGER {identifier(name)}")
            for change in changes:
                self._write_table(change)
            for _, sql in triggers:
                self.execute(sql)
            dangling = sorted(set(self._broken()) - broken)
        except adbc_driver_manager.Error as error:
            raise MergeRefused(
                "SQLite refused the merge.",
                where=self._address.display,
                why=str(error)[:1500],
                fix="Nothing was changed. The message above names the constraint; `edms-backup merge --dry-run` shows the plan.",
            ) from error
        if dangling:
            raise MergeRefused(
                f"{len(dangling)} rows would refer to rows that do not exist.",
                where=self._address.display,
                why="; ".join(" ".join(row) for row in dangling[:5]),
                fix="Nothing was changed. `edms-backup merge --dry-run` shows the plan.",
            )

    def commit(self) -> None:
        self.execute("COMMIT")
        self.committed = True

    def execute(self, statement: str) -> None:
        """Run one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()

    def _rows(self, statement: str) -> list[tuple[str, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(str(value) for value in row) for row in cursor.fetchall()]

    def _broken(self) -> list[tuple[str, ...]]:
        """(table, row id, target, number of the key) of each row whose foreign key has no row."""
        return self._rows("PRAGMA foreign_key_check")

    def _write_table(self, change: TableChange) -> None:
        table = change.table
        columns = [column.name for column in table.stored_columns]
        tagged = [name for name in columns if change.encodings[name] == "tagged"]
        with self._connection.cursor() as cursor:
            for rows in _batches(change.inserts, columns):
                insert_rows(cursor, table.name, rows, tagged)
            changed = [name for name in columns if name not in table.primary_key]
            if not changed:
                return
            order = [*changed, *table.primary_key]
            values = {
                name: untagged(position) if name in tagged else f"?{position}" for position, name in enumerate(order, 1)
            }
            sets = ", ".join(f"{identifier(name)} = {values[name]}" for name in changed)
            same = " AND ".join(f"{identifier(name)} = {values[name]}" for name in table.primary_key)
            for rows in _batches(change.updates, order):
                cursor.executemany(f"UPDATE {identifier(table.name)} SET {sets} WHERE {same}", rows)


def _batches(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.Table]:
    for path in paths:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
            if batch.num_rows:
                yield pa.Table.from_batches([batch]).select(list(columns))
