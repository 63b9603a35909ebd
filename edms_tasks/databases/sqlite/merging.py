"""Merge into a SQLite file in use by one write transaction. Readers continue; writers wait or get SQLITE_BUSY."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.left_to_the_edms import LeftToTheEdms
from edms_tasks.databases.merge_transaction import TableChange
from edms_tasks.databases.sqlite.computed_by_the_edms import (
    batches,
    computed_values,
    leave_to_the_edms,
    make_readable,
)
from edms_tasks.databases.sqlite.connection_pool import OneReader
from edms_tasks.databases.sqlite.staging import insert_rows, untagged
from edms_tasks.databases.sqlite.tables_of_the_edms import OwnTable, own_tables
from edms_tasks.databases.sqlite.view import SqliteView, open_view
from edms_tasks.errors import MergeRefused, TargetInUse
from edms_tasks.quoting import identifier, literal

_PATIENCE_MS = 30_000
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
                merge.roll_back()


class SqliteMerge:
    """The protocol's `MergeTransaction` for SQLite."""

    def __init__(
        self, address: DatabaseAddress, connection: adbc.Connection, shape: SqliteView, within: SqliteView
    ) -> None:
        self.committed = self.undecided = False
        self._address = address
        self._connection = connection
        self._shape = shape
        self._within = within
        self._own: Mapping[str, OwnTable] = {}  # until the commit these have plain definitions
        self._left: LeftToTheEdms | None = None

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
        self._own = own_tables(self._shape.path)
        self._define({own.name: own.plain for own in self._own.values()})

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

    def left_to_the_edms(self, changes: Sequence[TableChange], scratch: Path) -> LeftToTheEdms | None:
        self._left = leave_to_the_edms(scratch / "computed-by-the-edms.sqlite3", self._own, changes)
        return self._left

    def write(self, changes: Sequence[TableChange]) -> None:
        if self._left is not None:
            make_readable(self._left.path)
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
            raise self._refused(
                error, "The message above names the constraint; `edms-backup merge --dry-run` shows the plan."
            ) from error
        if dangling:
            raise MergeRefused(
                f"{len(dangling)} rows would refer to rows that do not exist.",
                where=self._address.display,
                why="; ".join(" ".join(row) for row in dangling[:5]),
                fix="Nothing was changed. `edms-backup merge --dry-run` shows the plan.",
            )

    def commit(self) -> None:
        try:
            self._define({own.name: own.definition for own in self._own.values()})
            self.undecided = True  # a signal may come between the commit and the next line
            self.execute("COMMIT")
        except adbc_driver_manager.Error as error:
            self.undecided = False
            raise self._refused(error, "Fix what the message says, such as a full disk, and merge again.") from error
        self.committed, self.undecided = True, False

    def roll_back(self) -> None:
        """End the transaction. SQLite itself has done so after some errors, such as a full disk, and these stay the reason."""
        try:
            self.execute("ROLLBACK")
        except adbc_driver_manager.Error as error:
            if "no transaction is active" not in str(error):
                raise

    def _refused(self, error: adbc_driver_manager.Error, fix: str) -> MergeRefused:
        return MergeRefused(
            "SQLite refused the merge.",
            where=self._address.display,
            why=str(error)[:1500],
            fix=f"Nothing was changed. {fix}",
        )

    def execute(self, statement: str) -> None:
        """Run one statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.fetchall()

    def _rows(self, statement: str) -> list[tuple[str, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return [tuple(str(value) for value in row) for row in cursor.fetchall()]

    def _define(self, definitions: Mapping[str, str]) -> None:
        """Write CREATE TABLE statements into the catalogue, without changing the tables."""
        if not definitions:
            return
        self.execute("PRAGMA writable_schema = ON")
        for name, sql in definitions.items():
            self.execute(
                f"UPDATE sqlite_master SET sql = {literal(sql)} WHERE type = 'table' AND name = {literal(name)}"
            )
        ((version,),) = self._rows("PRAGMA schema_version")
        self.execute(f"PRAGMA schema_version = {int(version) + 1}")
        self.execute("PRAGMA writable_schema = RESET")

    def _broken(self) -> list[tuple[str, ...]]:
        """(table, row id, target, number of the key) of each row whose foreign key has no row."""
        return self._rows("PRAGMA foreign_key_check")

    def _write_table(self, change: TableChange) -> None:
        table = change.table
        columns = [column.name for column in table.stored_columns]
        tagged = [name for name in columns if change.encodings[name] == "tagged"]
        with self._connection.cursor() as cursor:
            changed = [name for name in columns if name not in table.primary_key]
            if changed:
                for rows in batches(change.updates, [*changed, *table.primary_key]):
                    _update(cursor, table.name, changed, table.primary_key, rows, tagged)
            # Now the updated rows have given up the unique values that new ones take.
            for rows in batches(change.inserts, columns):
                insert_rows(cursor, table.name, rows, tagged)
            own = self._own.get(table.name)
            if own is not None and self._left is not None:
                for one in computed_values(self._left.path, own):
                    _update(cursor, table.name, one.columns, own.primary_key, one.rows, one.tagged)


def _update(
    cursor: adbc.Cursor, name: str, columns: Sequence[str], key: Sequence[str], rows: pa.Table, tagged: Sequence[str]
) -> None:
    """Set columns in the rows with these keys; `rows` has the columns, followed by the key."""
    values = {
        column: untagged(position) if column in tagged else f"?{position}"
        for position, column in enumerate((*columns, *key), 1)
    }
    sets = ", ".join(f"{identifier(column)} = {values[column]}" for column in columns)
    same = " AND ".join(f"{identifier(column)} = {values[column]}" for column in key)
    cursor.executemany(f"UPDATE {identifier(name)} SET {sets} WHERE {same}", rows)
