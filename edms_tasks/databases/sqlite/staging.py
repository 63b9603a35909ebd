"""Build a SQLite staging file: first the tables, then the rows by ADBC, then indexes, triggers and views."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import adbc_driver_manager
import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.missing_functions import note_of_unknown
from edms_tasks.databases.protocol import CapturedSchema, DroppedPart, LeftOut, NeedsTheEdms, Unwanted
from edms_tasks.databases.sqlite.application_functions import ForeignNames, find_foreign, plain_table, set_definitions
from edms_tasks.databases.sqlite.catalogue import free_row_id
from edms_tasks.databases.sqlite.connection_pool import Readers
from edms_tasks.databases.sqlite.dropping import broken_references, drop_parts
from edms_tasks.databases.sqlite.file_identity import fingerprint
from edms_tasks.databases.sqlite.generated_anew import computing
from edms_tasks.databases.sqlite.schema_authorizer import KINDS, confined, create, is_virtual, require_made
from edms_tasks.databases.sqlite.violated_constraints import unmet_checks
from edms_tasks.durable import flush_file
from edms_tasks.errors import CheckFailed, TerminalError
from edms_tasks.inventory.model import ROW_ID, Column, Table
from edms_tasks.json_text import parsed_json
from edms_tasks.manifest import SequencePosition, TableEntry
from edms_tasks.quoting import identifier, identifiers, literal


@dataclass(frozen=True)
class _SchemaObject:
    type: str
    name: str
    table: str
    sql: str


class SqliteStaging:
    """The protocol's `StagingDatabase` for SQLite: a new file, created from a snapshot's native schema."""

    def __init__(self, address: DatabaseAddress, schema: CapturedSchema) -> None:
        self.address = address
        self.notes: list[str] = []
        self.left_out: list[LeftOut] = []
        self._path = Path(address.name)
        self._schema = schema
        self._objects = _read_objects(schema.path)
        self._writing = threading.Lock()  # SQLite has one writer
        self._loaders = Readers(self._loader)
        self._foreign = ForeignNames()
        self._plain: set[str] = set()  # tables that are loaded under a plain definition
        self._uncomputed: set[str] = set()  # of these, whose rows came without what the EDMS's functions compute
        self.left_to_the_edms: tuple[str, ...] = ()

    def create_tables(self) -> None:
        """Create the file with its stored pragmas and its tables. Raises CheckFailed, TerminalError."""
        settings = self._schema.settings
        named = {one.name: one for one in self._objects if one.type in ("table", "index") and not is_virtual(one.sql)}
        self._foreign = find_foreign(
            [(name, one.sql) for name, one in named.items() if not name.startswith("sqlite_")],
            lambda scratch, name, sql: create(scratch, named[name].type, name, named[name].table, sql),
        )
        with confined(self._path) as connection:
            self._foreign.register(connection)
            encoding = settings.get("encoding", "UTF-8")
            if encoding not in ("UTF-8", "UTF-16le", "UTF-16be"):
                raise CheckFailed(
                    "The snapshot's schema names an unknown text encoding.", where=str(self._schema.path), why=encoding
                )
            connection.execute(f"PRAGMA encoding = '{encoding}'")
            for pragma in ("page_size", "auto_vacuum", "user_version", "application_id"):
                connection.execute(f"PRAGMA {pragma} = {_number(settings, pragma, self._schema.path)}")
            pages = _number(settings, "default_cache_size", self._schema.path)
            if pages > 0:  # the library's default is negative, and is not stored in the file
                connection.execute(f"PRAGMA default_cache_size = {pages}")
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("BEGIN")
            # Virtual tables come first, because they create their shadow tables themselves.
            tables = [made for made in self._objects if made.type == "table"]
            for made in sorted(tables, key=lambda made: not is_virtual(made.sql)):
                if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (made.name,)).fetchone() is None:
                    self._execute(connection, made)
                else:
                    require_made(connection, made.type, made.name, made.table)
            connection.execute("COMMIT")
            self._plain = {one.name for one in tables if one.name in self._foreign.objects}
            set_definitions(
                connection, [(name, plain_table(connection, name, keys=True)) for name in sorted(self._plain)]
            )

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """Insert a table's Parquet chunks through ADBC, and return the number of rows. Raises TerminalError."""
        table = entry.table
        columns = [
            column.name for column in (table.stored_columns if table.name not in self._plain else self._written(table))
        ]
        row_id = free_row_id(column.name for column in table.columns) if table.row_ids else None
        if row_id is not None:
            columns.append(ROW_ID)
        tagged = [name for name in columns if entry.encodings.get(name) == "tagged"]
        loaded = 0
        if not columns:
            return 0
        with self._writing, self._loaders.borrow() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                if chunks:  # the shadow tables of a new virtual table are not empty
                    cursor.execute(f"DELETE FROM {identifier(table.name)}")
                for chunk in chunks:
                    rows = self._read(chunk, table, columns)
                    if rows.num_rows == 0:
                        continue
                    if row_id is not None:
                        rows = rows.rename_columns([*rows.column_names[:-1], row_id])
                    insert_rows(cursor, table.name, rows, tagged)
                    loaded += rows.num_rows
                cursor.execute("COMMIT")
            except (adbc_driver_manager.Error, pa.ArrowException) as error:
                raise TerminalError(
                    f"SQLite refused rows of {table.label}.",
                    where=f"{self.address.display}, table {table.id}",
                    why=str(error)[:1000],
                    fix="The live system is untouched. Run `edms-backup verify` on the snapshot; if it passes, report this error.",
                ) from error
        return loaded

    def _read(self, chunk: Path, table: Table, columns: Sequence[str]) -> pa.Table:
        """A chunk's rows; generated columns that it lacks are NULL until the EDMS's connection has computed them."""
        there = set(pq.read_schema(chunk).names)
        lacking = [one.name for one in table.columns if one.generated and one.name in columns and one.name not in there]
        rows = pq.read_table(chunk, columns=[name for name in columns if name not in lacking])
        if not lacking:
            return rows
        self._uncomputed.add(table.name)
        for name in lacking:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
        return rows.select(list(columns))

    def _loader(self) -> adbc.Connection:
        connection = adbc.connect(str(self._path), autocommit=True)
        with connection.cursor() as cursor:
            # Rows that SQLite kept although they do not satisfy a CHECK come back, too; `_unsound` notes them.
            for pragma in (
                "journal_mode = OFF",
                "synchronous = OFF",
                "foreign_keys = OFF",
                "ignore_check_constraints = ON",
                "cache_size = -65536",
            ):
                cursor.execute(f"PRAGMA {pragma}")
                cursor.fetchall()
        return connection

    def _written(self, table: Table) -> list[Column]:
        """The columns to write under a plain definition: they include the stored generated ones."""
        with confined(self._path) as connection:
            hidden = {row[1]: row[6] for row in connection.execute(f"PRAGMA table_xinfo({literal(table.name)})")}
        return [column for column in table.columns if hidden.get(column.name) == 0]

    def finish(self, entries: Sequence[TableEntry], sequences: Sequence[SequencePosition]) -> None:
        """Create indexes, views and triggers, set the positions of AUTOINCREMENT, check the file and flush it to disk.

        Raises:
            CheckFailed: SQLite's integrity check failed.
            TerminalError: SQLite cannot create an object.
        """
        self._loaders.close()
        with confined(self._path) as connection:
            self._foreign.register(connection)
            connection.execute("PRAGMA synchronous = OFF")
            set_definitions(connection, [(one.name, one.sql) for one in self._objects if one.name in self._plain])
            left = [computing(connection, name) for name in sorted(self._uncomputed)]
            connection.execute("BEGIN")
            for kind in ("index", "view", "trigger"):
                for made in self._objects:
                    if made.type == kind and self._is_left(connection, made):
                        left.append(made.sql)
                    elif made.type == kind:
                        self._execute(connection, made)
            # The entries of these indexes are sorted by bytes, or are NULL, until the EDMS has built them again.
            left += [
                f"REINDEX {identifier(name)}"
                for name in sorted({one.table for one in self._objects if one.name in self._foreign.objects})
                if self._must_be_indexed_anew(connection, name)
            ]
            self.left_to_the_edms = (*left, "PRAGMA integrity_check(1)") if left else ()
            if sequences:
                connection.execute("DELETE FROM sqlite_sequence")
                connection.executemany(
                    "INSERT INTO sqlite_sequence(name, seq) VALUES (?, ?)", [(s.name, s.last_value) for s in sequences]
                )
            connection.execute("COMMIT")
            broken = self._unsound(connection)
            if broken is not None:
                raise CheckFailed("The restored SQLite file is damaged.", where=str(self._path), why=str(broken))
            connection.execute(
                f"PRAGMA journal_mode = {'WAL' if self._schema.settings.get('journal_mode') == 'wal' else 'DELETE'}"
            )
        flush_file(self._path)

    def needs_the_edms(self) -> tuple[NeedsTheEdms, ...]:
        """After `finish`: the tables and indexes that may need the EDMS's own connection."""
        made = {one.name: one for one in self._objects if one.type in ("table", "index")}
        return tuple(
            NeedsTheEdms(
                name=name,
                statements=tuple(made[one].sql for one in dict.fromkeys([made[name].table, name])),
                is_asked=bool(self.left_to_the_edms),
                is_computed=bool(self.left_to_the_edms and self._foreign.functions),
            )
            for name in sorted(self._foreign.objects)
        )

    def _is_left(self, connection: sqlite3.Connection, made: _SchemaObject) -> bool:
        """Whether the EDMS has to create it: an index over its functions, or a trigger that must not see rows being computed."""
        if made.type != "index":
            return made.type == "trigger" and made.table in self._uncomputed
        if self._foreign.needs_function(made.name):
            return True
        if made.table not in self._plain:
            return False
        connection.execute("SAVEPOINT tried")
        try:
            create(connection, made.type, made.name, made.table, made.sql)
        except sqlite3.OperationalError as error:
            return _CALLED in str(error)
        finally:
            connection.execute("ROLLBACK TO tried")
            connection.execute("RELEASE tried")
        return False

    def _must_be_indexed_anew(self, connection: sqlite3.Connection, table: str) -> bool:
        indexes = connection.execute(f"PRAGMA index_list({literal(table)})").fetchall()
        needed = set[str]().union(*(self._foreign.objects.get(index[1], set()) for index in indexes))
        needed |= self._foreign.objects.get(table, set())
        if not indexes or not needed:
            return False
        virtual = any(row[6] == 2 for row in connection.execute(f"PRAGMA table_xinfo({literal(table)})"))
        return bool(needed & self._foreign.collations) or (virtual and self._foreign.needs_function(table))

    def _unsound(self, connection: sqlite3.Connection) -> str | None:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            if _CALLED in str(error) and self.left_to_the_edms:
                return None  # the EDMS's connection runs the check instead
            raise
        if not self._foreign.functions:
            self.notes += [
                f"{one.table}: rows do not satisfy a CHECK of the table. They are as in the snapshot."
                for one in unmet_checks(connection)
            ]
        return None if answer == "ok" else str(answer)

    def completed_by_the_edms(self, problem: str) -> None:
        checkpoint(self._path)
        flush_file(self._path)
        if problem and self._uncomputed:
            raise CheckFailed(
                "The EDMS's own connection could not compute columns of rows that came without them.",
                where=", ".join(sorted(self._uncomputed)),
                why=problem[:600],
                fix="Nothing was written. The functions of these columns fail on a row of the old backup, or the EDMS's code cannot "
                "be run: `edms-backup doctor` says which.",
            )
        if problem:
            needs_functions = bool(self._foreign.functions)
            self.notes.append(note_of_unknown(problem, is_computed=needs_functions, where=str(self._path)))

    def gather_statistics(self) -> None:
        """Run ANALYZE if the source had been analysed."""
        if not self._had_statistics():
            return
        with confined(self._path) as connection:
            self._foreign.register(connection)
            connection.execute("ANALYZE")
        checkpoint(self._path)
        flush_file(self._path)

    def broken_references(self) -> dict[str, int]:
        return broken_references(self._path)

    def drop_parts(self, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
        dropped = drop_parts(self._path, unwanted)
        flush_file(self._path)
        return dropped

    def seal(self) -> str:
        """Checkpoint the log and flush the file; returns its fingerprint, which changes with every later write."""
        checkpoint(self._path)
        flush_file(self._path)
        return fingerprint(self._path)

    def unseal(self) -> None:
        """Do nothing: a file is not closed to connections."""

    def drop(self) -> None:
        """Remove the file with its journal and log."""
        self._loaders.close()
        remove_with_companions(self._path)

    def keep_as(self, name: str, *, throwaway: bool = False) -> DatabaseAddress:
        """Move the file to its final path; returns its address. A throwaway one is in a folder that the caller removes."""
        if name != str(self._path):
            checkpoint(self._path)
            os.replace(self._path, name)
            flush_file(Path(name))
        self._path = Path(name)
        self.address = self.address.renamed(name)
        return self.address

    def _had_statistics(self) -> bool:
        return any(made.name == "sqlite_stat1" for made in self._objects)

    def _execute(self, connection: sqlite3.Connection, made: _SchemaObject) -> None:
        if made.name.startswith("sqlite_"):
            return  # SQLite creates it itself
        try:
            create(connection, made.type, made.name, made.table, made.sql)
        except sqlite3.Error as error:
            raise TerminalError(
                f"The {made.type} {made.name!r} of the snapshot cannot be created.",
                where=str(self._path),
                why=str(error),
                fix="An extension that the EDMS loads may be missing in this Python's SQLite.",
            ) from error


_CALLED = "user-defined function raised exception"


def insert_rows(cursor: adbc.Cursor, name: str, rows: pa.Table, tagged: Sequence[str]) -> None:
    """Insert all rows into a table; values of `tagged` columns get their own storage class."""
    if not tagged:
        placeholders = ", ".join("?" for _ in rows.column_names)
        cursor.executemany(
            f"INSERT INTO {identifier(name)} ({identifiers(rows.column_names)}) VALUES ({placeholders})", rows
        )
        return
    expressions = ", ".join(
        untagged(position) if column in tagged else f"?{position}"
        for position, column in enumerate(rows.column_names, 1)
    )
    cursor.executemany(
        f"INSERT INTO {identifier(name)} ({identifiers(rows.column_names)}) VALUES ({expressions})", rows
    )


def untagged(position: int) -> str:
    """SQL for the value of a tagged parameter (encoded by `view.py`)."""
    value = f"?{position}"
    return (
        f"CASE substr({value}, 1, 1) WHEN 'i' THEN CAST(substr({value}, 2) AS INTEGER) WHEN 'r' THEN CAST(substr({value}, 2) AS REAL) "
        f"WHEN 't' THEN CAST(unhex(substr({value}, 2)) AS TEXT) WHEN 'b' THEN unhex(substr({value}, 2)) END"
    )


def _read_objects(path: Path) -> tuple[_SchemaObject, ...]:
    """The objects in the snapshot's schema file. Raises CheckFailed if its form is not valid."""
    try:
        found = parsed_json(path.read_text(encoding="utf-8"))["objects"]
        objects = tuple(_SchemaObject(str(o["type"]), str(o["name"]), str(o["table"]), str(o["sql"])) for o in found)
    except (ValueError, KeyError, TypeError) as error:
        raise CheckFailed("The snapshot's SQLite schema cannot be read.", where=str(path), why=str(error)) from error
    for made in objects:
        if made.type not in KINDS:
            raise CheckFailed(
                "The snapshot's SQLite schema names an unknown kind of object.", where=str(path), why=made.type[:100]
            )
    return objects


def _number(settings: Mapping[str, str], pragma: str, where: Path) -> int:
    try:
        return int(settings.get(pragma, 0))
    except ValueError as error:
        raise CheckFailed(
            f"The snapshot's schema has no number for {pragma}.", where=str(where), why=str(error)[:200]
        ) from error


def checkpoint(path: Path) -> None:
    """Move the write-ahead log into the file, so that the file alone is the database."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def remove_with_companions(path: Path) -> None:
    """Remove a database file with its journal and write-ahead log."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
