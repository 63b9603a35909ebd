"""Merge into a PostgreSQL database in use: one transaction on one connection, with tables locked against other writers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.lost_connection import lost_connection
from edms_tasks.databases.merge_transaction import TableChange
from edms_tasks.databases.postgresql import catalogue
from edms_tasks.databases.postgresql.commit_outcome import ITS_NUMBERS, SentCommit
from edms_tasks.databases.postgresql.connection import OwnNames, ask_server, connected
from edms_tasks.databases.postgresql.connection_errors import why_lost
from edms_tasks.databases.postgresql.refused_rows import NOT_BOTH, Refusal, rows_that_exclude_each_other
from edms_tasks.databases.postgresql.sequence_positions import advancing
from edms_tasks.databases.postgresql.session_settings import SESSION
from edms_tasks.databases.postgresql.suspended_effects import (
    CHANGED_TABLES,
    changed_besides,
    identities,
    strict_foreign_keys,
    triggers_and_rules,
)
from edms_tasks.databases.postgresql.type_encodings import base_of
from edms_tasks.databases.postgresql.view import PostgresView
from edms_tasks.errors import CommitUndetermined, MergeRefused, TargetInUse
from edms_tasks.inventory.model import Column, Table
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.redaction import Redaction

_ROWS = "edms_backup_rows"
_PATIENCE = "30s"
_IN_USE = {"55P03", "40P01"}  # no lock in time; a deadlock
# Types that are assigned from text without a cast: a cast would cut a long value instead of refusing it.
_TAKES_TEXT = ("text", "character varying", "character")


@contextmanager
def merging(address: DatabaseAddress, tables: Sequence[Table], redaction: Redaction) -> Iterator[PostgresMerge]:
    """Lock the tables against writers (readers continue) and yield the transaction; it is rolled back unless committed.

    Raises:
        TargetInUse: another session writes to them for longer than 30 seconds.
    """
    server = ask_server(address)
    conninfo = server.settled.conninfo()
    with connected(address) as catalogue_connection, adbc.connect(conninfo, autocommit=False) as connection:
        # What it asks must not wait for the locks of the transaction, which would wait for the answer.
        catalogue_connection.execute(f"SET lock_timeout = '{_PATIENCE}'".encode())
        merge = PostgresMerge(address, catalogue_connection, connection, server.own, redaction)
        merge.lock(tables)
        try:
            yield merge
        finally:
            if not merge.committed:
                _roll_back(connection)


def _roll_back(connection: adbc.Connection) -> None:
    try:
        connection.rollback()
    except adbc_driver_manager.Error as error:
        if why_lost(error) is None:  # the server rolls back what has lost its client
            raise


class PostgresMerge:
    """The protocol's `MergeTransaction` for PostgreSQL."""

    def __init__(
        self,
        address: DatabaseAddress,
        catalogue_connection: catalogue.Connection,
        connection: adbc.Connection,
        own: OwnNames,
        redaction: Redaction,
    ) -> None:
        self.committed = self.undecided = False
        self._address = address
        self._catalogue = catalogue_connection
        self._connection = connection
        self._own = own
        self._redaction = redaction
        self._first_view: PostgresView | None = None
        self._advancing: list[str] = []

    def lock(self, tables: Sequence[Table]) -> None:
        """Lock the tables before anything is read, so that the rows cannot change in between. Raises TargetInUse, MergeRefused."""
        for statement in SESSION:
            self._execute(statement)
        self._require_checks()
        names = ", ".join(f"ONLY {identifier(table.schema_name, table.name)}" for table in tables)
        self._within_patience([f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"] if names else [], "writing to")

    def _within_patience(self, statements: Sequence[str], others: str) -> None:
        """Run statements that wait for other sessions, for 30 seconds at most. Raises TargetInUse."""
        self._execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        try:
            self._execute_all(statements)
        except adbc_driver_manager.Error as error:
            self._require_connection(error)
            if Refusal.of(error).state not in _IN_USE:
                raise self._refused(error) from error
            raise TargetInUse(
                f"Another session is {others} the database.",
                where=self._address.display,
                why=str(error)[:500],
                fix="Wait for it to end, or stop the EDMS's workers, and run the merge again. Nothing was changed.",
            ) from error
        self._execute("SET LOCAL lock_timeout = 0")

    def _require_connection(self, error: adbc_driver_manager.Error) -> None:
        if lost := lost_connection(error, self._address.display):
            raise lost from error

    def _require_checks(self) -> None:
        """Check that the server checks references: with session_replication_role = replica it would not. Raises MergeRefused."""
        ((role,),) = self._rows("SELECT pg_catalog.current_setting('session_replication_role')")
        if role != "origin":
            raise MergeRefused(
                "The role's sessions do not check references.",
                where=self._address.display,
                why=f"session_replication_role is {role}, and this role may not change it.",
                fix="As a superuser: ALTER ROLE … RESET session_replication_role. Nothing was changed.",
            )

    def view(self) -> PostgresView:
        """A view that reads through the transaction's connection, one table after the other."""
        view = PostgresView.of_connection(self._address, self._catalogue, self._connection, self._own, self._first_view)
        self._first_view = self._first_view or view
        return view

    def left_to_the_edms(self, changes: Sequence[TableChange], scratch: Path) -> None:
        """Nothing: the server computes everything itself."""

    def write(self, changes: Sequence[TableChange]) -> None:
        tables = [change.table for change in changes]
        self.view()  # while the catalogue can still be asked
        suspended = [
            triggers_and_rules(self._catalogue, tables),
            strict_foreign_keys(self._catalogue, tables),
            identities(self._catalogue, [change.table for change in changes if change.updates]),
        ]
        # Not carried out before the commit: a rollback does not take it back.
        self._advancing = [statement for table in tables for statement in advancing(self._catalogue, table)]
        # Functions in indexes, checks and generated columns run for the new rows and need the EDMS's search path.
        self._execute(f"SELECT pg_catalog.set_config('search_path', {literal(self._own.search_path)}, true)")
        try:
            for part in suspended:
                # Rules, foreign keys and identities are also locked against readers, and one of these may be waiting for us.
                self._within_patience(part.aside, "reading from")
            self._execute("SET CONSTRAINTS ALL DEFERRED")
            for change in changes:
                self._write_table(change)
            # Now the database checks every reference.
            self._execute("SET CONSTRAINTS ALL IMMEDIATE")
            for part in reversed(suspended):
                self._execute_all(part.back)
            for view in catalogue.read_materialized_views(self._catalogue):
                self._execute(f"REFRESH MATERIALIZED VIEW {view}")
            self._require_untouched(tables)
        except adbc_driver_manager.Error as error:
            raise self._refused(error) from error

    def commit(self) -> None:
        """See `MergeTransaction`. If the connection is lost meanwhile, the server is asked what became of it."""
        try:
            self._execute_all(self._advancing)
            ((number, session),) = self._rows(ITS_NUMBERS)
        except adbc_driver_manager.Error as error:
            raise self._refused(error) from error
        sent = (
            SentCommit(self._address, number, session) if isinstance(number, int) and isinstance(session, int) else None
        )
        self.undecided = True
        try:
            self._connection.commit()
        except adbc_driver_manager.Error as error:
            if why_lost(error) is None or not self._was_committed(sent, error):
                self.undecided = False
                raise self._refused(error) from error
        self.committed, self.undecided = True, False

    def _was_committed(self, sent: SentCommit | None, error: adbc_driver_manager.Error) -> bool:
        """Whether it was, although the connection was lost. Raises CommitUndetermined."""
        outcome = sent.was_committed() if sent is not None else True  # it had written nothing
        if outcome is None:
            raise CommitUndetermined(
                "The connection was lost while the merge was being committed, and the server does not say whether it was.",
                where=self._address.display,
                why=str(error)[:500],
                fix="The merged files were left in place. When the server is back, `edms-backup merge SNAPSHOT --dry-run` shows it: if "
                "nothing is left to merge, it was committed; otherwise merge again.",
            ) from error
        return outcome

    def _refused(self, error: adbc_driver_manager.Error, table: Table | None = None) -> MergeRefused:
        self._require_connection(error)
        refusal = Refusal.of(error)
        return MergeRefused(
            "PostgreSQL refused the merge.",
            where=self._address.display,
            why=f"{table.label}: {refusal.message}" if table else refusal.message,
            fix=refusal.fix,
        )

    def _require_room(self, table: Table, values: Mapping[str, str], *, inserts: bool) -> None:
        """Ask for rows that an index, which only the server can compare, does not allow together. Raises MergeRefused."""
        for rule in table.unique_rules:
            query = rows_that_exclude_each_other(
                self._catalogue,
                table,
                rule.name,
                values,
                f"pg_temp.{_ROWS}",
                even_if_deferrable=inserts,
                redaction=self._redaction,
            )
            found = self._rows(query) if query else []
            if found:
                rows = "; ".join(f"the snapshot's row {ours} and the target's row {theirs}" for ours, theirs in found)
                raise MergeRefused(
                    "The database does not allow rows of both systems together.",
                    where=self._address.display,
                    why=f"{table.label}: {rule.name} does not allow {rows}.",
                    fix=f"Nothing was changed. {NOT_BOTH}",
                )

    def _write_rows(self, table: Table, statement: str) -> None:
        try:
            self._execute(statement)
        except adbc_driver_manager.Error as error:
            raise self._refused(error, table) from error

    def _require_untouched(self, written: Sequence[Table]) -> None:
        """Check that no other table was changed by what the database does itself. Raises MergeRefused."""
        ((counts,),) = self._rows("SELECT pg_catalog.current_setting('track_counts')")
        besides = changed_besides(self._rows(CHANGED_TABLES), written)
        if besides:
            raise MergeRefused(
                "The database changed tables that the merge does not write to.",
                where=self._address.display,
                why=f"Rows of {', '.join(besides)} were changed by an event trigger, a foreign key's ON UPDATE, or a function.",
                fix="Nothing was changed. Disable it while you merge: ALTER EVENT TRIGGER … DISABLE, for example.",
            )
        if counts != "on":
            raise MergeRefused(
                "Whether the database changed other tables as well cannot be checked.",
                where=self._address.display,
                why="The setting track_counts is off, so the server does not count what a transaction changes.",
                fix="Nothing was changed. As a superuser: ALTER ROLE … SET track_counts = on, for the role that merges.",
            )

    def _write_table(self, change: TableChange) -> None:
        table = change.table
        name = identifier(table.schema_name, table.name)
        columns = table.stored_columns
        values = {column.name: _value(column, change) for column in columns}
        changed = [c for c in columns if c.name not in table.primary_key]
        same = " AND ".join(f"t.{identifier(column)} = {values[column]}" for column in table.primary_key)
        for path in change.updates if changed else ():
            self._bring(path, [column.name for column in columns])
            sets = ", ".join(f"{identifier(column.name)} = {values[column.name]}" for column in changed)
            self._require_room(table, values, inserts=False)
            self._write_rows(table, f"UPDATE ONLY {name} t SET {sets} FROM pg_temp.{_ROWS} r WHERE {same}")
        # Now the updated rows have given up the unique values that new ones take.
        for path in change.inserts:
            self._bring(path, [column.name for column in columns])
            self._require_room(table, values, inserts=True)
            self._write_rows(
                table,
                f"INSERT INTO {name} ({identifiers(values)}) OVERRIDING SYSTEM VALUE "
                f"SELECT {', '.join(values.values())} FROM pg_temp.{_ROWS} r",
            )

    def _bring(self, path: Path, columns: Sequence[str]) -> None:
        """COPY a Parquet file into a temporary table, which gets the types of the file's columns."""
        self._execute(f"DROP TABLE IF EXISTS pg_temp.{_ROWS}")
        rows = pq.ParquetFile(path)
        schema = pa.schema([rows.schema_arrow.field(name) for name in columns])
        batches = (batch.cast(schema) for batch in rows.iter_batches(columns=list(columns)))
        with self._connection.cursor() as cursor:
            cursor.adbc_ingest(_ROWS, pa.RecordBatchReader.from_batches(schema, batches), mode="create", temporary=True)

    def _rows(self, query: str) -> list[tuple[object, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return [tuple(row) for row in cursor.fetchall()]

    def _execute_all(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self._execute(statement)

    def _execute(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)


def _value(column: Column, change: TableChange) -> str:
    name = f"r.{identifier(column.name)}"
    base = base_of(column.native_type)
    if base in _TAKES_TEXT:
        return name
    return f"{name}::{column.native_type}"
