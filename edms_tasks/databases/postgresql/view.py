"""Read PostgreSQL: parallel ADBC readers share one exported snapshot and stream tables as Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql import catalogue, reference_comparison
from edms_tasks.databases.postgresql.connection import OwnNames, ask_server, connected
from edms_tasks.databases.postgresql.copy_reader import CopiedRows, as_types, rows_and_strange_dates
from edms_tasks.databases.postgresql.definitions import UNENFORCED, read_definitions, read_unenforced
from edms_tasks.databases.postgresql.edms_functions import tables_with_own_functions
from edms_tasks.databases.postgresql.edms_session_settings import recorded_settings, with_pg_catalog_first
from edms_tasks.databases.postgresql.maintenance_failures import read_maintenance_findings
from edms_tasks.databases.postgresql.output_functions import output_text
from edms_tasks.databases.postgresql.pg_dump import run_tool
from edms_tasks.databases.postgresql.properties import database_settings, recorded_properties
from edms_tasks.databases.postgresql.recorded_owner import with_recorded_owner
from edms_tasks.databases.postgresql.session_settings import SEARCH_PATH
from edms_tasks.databases.postgresql.shared_view import SharedView
from edms_tasks.databases.postgresql.size_estimate import bytes_of_the_database, rows_on_disk
from edms_tasks.databases.postgresql.table_ids import TableIds
from edms_tasks.databases.postgresql.table_locks import PATIENCE, begin_with_locked_tables
from edms_tasks.databases.postgresql.table_readers import TableReaders
from edms_tasks.databases.postgresql.type_encodings import DATED, TEXTUAL, base_of, has_xml, measure_of
from edms_tasks.databases.postgresql.unplannable_tables import (
    compared_with,
    copy_is_not_enough,
    find_obstacles,
    findings_of,
    obstacle_of,
)
from edms_tasks.databases.postgresql.violated_constraints import read_violated_constraints
from edms_tasks.databases.protocol import CapturedSchema, Definition, Measure, Part
from edms_tasks.databases.rechunk import PIECE_BYTES, rechunked
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Column, Finding, ForeignReference, Table
from edms_tasks.manifest import Encoding, SequencePosition, TableEntry
from edms_tasks.quoting import identifier, literal

_PART_BYTES = 16 << 20


@dataclass(frozen=True)
class _Found:
    """A column of `ForeignReference.found_columns`, and the join that gives it."""

    name: str
    expression: str
    kind: pa.DataType
    join: str
    target: Table  # one of the tables that the join reads


@contextmanager
def open_view(address: DatabaseAddress, jobs: int) -> Iterator[PostgresView]:
    """Yield a view of one REPEATABLE READ snapshot; every reader imports it. Raises DatabaseRefused, TableLocked, TerminalError."""
    server = ask_server(address)
    with connected(address) as connection:
        begin_with_locked_tables(connection, address)
        ((snapshot,),) = connection.execute("SELECT pg_catalog.pg_export_snapshot()").fetchall()
        view = PostgresView(server.settled, connection, str(snapshot), server.own, jobs)
        try:
            yield view
        finally:
            view.close()


class PostgresView:
    """The protocol's `View` for PostgreSQL; safe for several threads."""

    def __init__(
        self, address: DatabaseAddress, connection: catalogue.Connection, snapshot: str, own: OwnNames, jobs: int
    ) -> None:
        self._address = address
        self._connection = connection
        self._snapshot = snapshot
        self._own = own
        self._server_version = connection.info.server_version
        self._measured: dict[str, Measure] = {}
        self._cast: Mapping[str, frozenset[str]] = {}
        self._recorded: Mapping[tuple[str | None, str], str] = {}
        # A transaction in progress may have locked tables, and the server would wait for it before it tells their sizes.
        self._sizes = catalogue.read_sizes(connection) if snapshot else {}
        self._with_own_functions = tables_with_own_functions(connection)
        is_asked = self._with_own_functions and snapshot
        self._obstacles = find_obstacles(connection, self._own_settings()) if is_asked else ()
        self._unreadable = {one.quoted for one in self._obstacles}
        self._readers = TableReaders(address, snapshot, jobs)

    @classmethod
    def of_connection(
        cls,
        address: DatabaseAddress,
        connection: catalogue.Connection,
        reader: adbc.Connection,
        own: OwnNames,
        before: PostgresView | None = None,
    ) -> PostgresView:
        """A view of a transaction in progress, through its own connection only: it has no exported snapshot.

        What it has to know of the definitions is asked at once, or taken from a view made `before`: once the transaction has locked
        tables, the server would wait for its end before it tells.
        """
        view = cls(address, connection, "", own, 0)
        view._known, view._uncomputable = ((before or view)._known, (before or view)._uncomputable)
        view._readers = TableReaders.only(address, reader)
        return view

    def encoding_like(self, cast: Mapping[str, frozenset[str]]) -> PostgresView:
        """The view itself, which from now on reads these columns (by table id) by a cast to text."""
        self._cast = cast
        return self

    def close(self) -> None:
        """Close all readers."""
        self._readers.close()

    def elsewhere(self) -> SharedView:
        return SharedView(self._address, self._snapshot, self._own, self._cast)

    def tables(self) -> tuple[Table, ...]:
        return catalogue.read_tables(self._connection, TableIds(self._connection, self._own, self._recorded))

    def findings(self) -> tuple[Finding, ...]:
        return (
            *catalogue.read_findings(self._connection),
            *findings_of(self._obstacles),
            *(
                make_finding("computed-column-not-read", ".".join(one), "The server fails to compute it for some row.")
                for one in sorted(self._uncomputable)
            ),
            *read_maintenance_findings(self._connection, self._unreadable),
        )

    def violated_constraints(self) -> tuple[Finding, ...]:
        return read_violated_constraints(self._connection, self._own_settings(), self._unreadable)

    def closed_to_merges(self) -> dict[str, str]:
        """Nothing: the server has all functions that its tables need."""
        return {}

    def sequences(self) -> tuple[SequencePosition, ...]:
        return catalogue.read_sequences(self._connection)

    def counters(self) -> dict[str, SequencePosition]:
        return catalogue.read_counters(self._connection, TableIds(self._connection, self._own, self._recorded))

    def measure(self, table: Table) -> Measure:
        """Count the rows and choose the encodings. A column with dates outside the years 1 to 9999, or infinity, is stored as text."""
        read = [column for column in table.columns if not self._is_uncomputable(table, column)]
        dated = [column.name for column in read if base_of(column.native_type) in DATED]
        if self._is_copied(table):
            rows, beyond = rows_and_strange_dates(self._copied.batches(table), dated)
            return measure_of(rows, table.columns, beyond, ())
        checks = "".join(
            f", coalesce(bool_or({identifier(name)} NOT BETWEEN '0001-01-02' AND '9999-12-30'), false)"
            for name in dated
        )
        sql = f"SELECT count(*){checks} FROM ONLY {identifier(table.schema_name, table.name)}"
        row = self._ask(table, sql)
        beyond = {name for name, outside in zip(dated, row[1:], strict=True) if outside}
        return measure_of(int(row[0]), table.columns, beyond, self._cast.get(table.id, ()))

    def read_like(self, entries: Sequence[TableEntry]) -> None:
        """Give tables the ids, and read columns by the casts to text, that they had there: an earlier release had other rules."""
        self._recorded = {(entry.table.schema_name, entry.table.name): entry.table.id for entry in entries}
        self._cast = {
            entry.table.id: frozenset(name for name, encoding in entry.encodings.items() if encoding == "text")
            for entry in entries
        }

    def _ask(self, table: Table, query: str) -> tuple[Any, ...]:
        """The row that a query on a table returns."""
        with self._readers.reading(table) as reader, reader.cursor() as cursor:
            self._set_search_path(cursor, table)
            cursor.execute(query)
            row = cursor.fetchone()
        assert row is not None  # an aggregate always returns one row
        return tuple(row)

    def cautious(self, table: Table, measure: Measure) -> Measure:
        """The measure unchanged: PostgreSQL checks the encoding of its texts."""
        return measure

    def bytes_on_disk(self) -> int:
        return bytes_of_the_database(self._connection)

    def raw_bytes(self, tables: Sequence[Table]) -> int:
        return rows_on_disk(self._connection, [table for table in tables if not self._is_copied(table)], self._ask)

    def parts(self, table: Table) -> tuple[Part, ...]:
        """Ranges of the table's pages. Every row of the snapshot is on a page that exists now; the last range has no end."""
        pages, page_bytes = self._sizes.get((table.schema_name, table.name), (0, 1))
        each = max(1, _PART_BYTES // page_bytes)
        # Before version 14 the server would scan the whole table for each range.
        if pages <= each or self._server_version < 140000 or self._is_copied(table):
            return (Part("", pages * page_bytes),)
        starts = range(0, pages, each)
        return tuple(
            Part(
                f"ctid >= '({start},0)'::tid"
                + (f" AND ctid < '({start + each},0)'::tid" if start + each < pages else ""),
                min(each, pages - start) * page_bytes,
            )
            for start in starts
        )

    def batches(self, table: Table, measure: Measure, part: Part, rows: int) -> Iterator[pa.Table]:
        """The rows of a part in their physical order, which is cheapest for the server; ADBC reads them by binary COPY."""
        if not table.columns:
            return
        if self._is_copied(table):
            kinds = pa.schema([(column.name, measure.types[column.name]) for column in table.columns])
            copied = (as_types(batch, kinds) for batch in self._copied.batches(table))
            yield from rechunked(copied, kinds, rows, PIECE_BYTES)
            return
        expressions = [
            self._expression("s", column, measure.encodings[column.name])
            if not self._is_uncomputable(table, column)
            else f"NULL::{column.native_type if measure.encodings[column.name] == 'native' else 'text'} AS {identifier(column.name)}"
            for column in table.columns
        ]
        fields = [(column.name, measure.types[column.name]) for column in table.columns]
        found = list(self._found(table))
        expressions += [f"{one.expression} AS {identifier(one.name)}" for one in found]
        fields += [(one.name, one.kind) for one in found]
        source = f"ONLY {identifier(table.schema_name, table.name)} AS s" + "".join(one.join for one in found)
        where = f" WHERE {part.condition}" if part.condition else ""
        sql = f"SELECT {', '.join(expressions)} FROM {source}{where}"
        schema = pa.schema(fields)
        with self._readers.reading(table) as reader, reader.cursor() as cursor:
            self._set_search_path(cursor, table, *(one.target for one in found))
            cursor.execute(sql)
            stream = cursor.fetch_record_batch()
            yield from rechunked((_cast(batch, schema) for batch in stream), schema, rows, PIECE_BYTES)

    def capture_schema(self, path: Path) -> CapturedSchema:
        """Write `pg_dump -Fc --schema-only` under the same snapshot as the rows. Raises ToolMissing, TerminalError, TransientError."""
        run_tool(
            "pg_dump",
            [
                "--format=custom",
                "--schema-only",
                f"--snapshot={self._snapshot}",
                "--no-password",
                f"--lock-wait-timeout={PATIENCE}s",
                f"--file={path}",
            ],
            self._address,
        )
        version = self._connection.execute("SHOW server_version").fetchone()
        captured = CapturedSchema(
            path=path,
            format="pg_dump-custom",
            server_version=str(version[0]) if version else "",
            settings=database_settings(self._connection)
            | {UNENFORCED: read_unenforced(self._connection)}
            | recorded_settings(self._own.settings, self._address.time_zone),
            materialized_views=catalogue.read_materialized_views(self._connection),
        )
        return with_recorded_owner(self._address, captured)

    def definitions(self, schema: CapturedSchema) -> tuple[Definition, ...]:
        return read_definitions(schema)

    def properties(self, schema: CapturedSchema) -> dict[str, str]:
        """The owner, locale, settings and privileges of the database."""
        recorded = recorded_properties(schema.settings)
        return recorded.lines() if recorded else {}

    def _measure_of(self, target: Table, columns: Sequence[Column]) -> Measure:
        """A measure with the encodings of these columns of a referenced table."""
        if not any(base_of(column.native_type) in DATED for column in columns):
            return measure_of(0, columns, (), self._cast.get(target.id, ()))
        if target.id not in self._measured:
            self._measured[target.id] = self.measure(target)
        return self._measured[target.id]

    @cached_property
    def _known(self) -> dict[str, Table]:
        return {table.id: table for table in self.tables()}

    def _found(self, table: Table) -> Iterator[_Found]:
        """The extra columns with the key values of referenced rows, for references that the database must compare."""
        for number, reference in enumerate(table.references):
            if not isinstance(reference, ForeignReference) or not reference.comparisons:
                continue
            targets = [self._known[target] for target in reference.targets if target in self._known]
            if not targets:
                continue
            rows = reference_comparison.rows_of(targets, reference.target_columns)
            if reference.temporal:
                covered = reference_comparison.covered(reference, "s", rows)
                yield _Found(reference.found_columns[0], covered, pa.bool_(), "", targets[0])
                continue
            columns = [targets[0].column(name) for name in reference.target_columns]
            measure = self._measure_of(targets[0], columns)
            pointed = ", ".join(self._expression("t", column, measure.encodings[column.name]) for column in columns)
            alias = f"p{number}"
            join = (
                f" LEFT JOIN LATERAL (SELECT {pointed} FROM {rows} AS t "
                f"WHERE {reference_comparison.points_at(reference, 's', 't')} LIMIT 1) AS {alias} ON true"
            )
            for position, (name, column) in enumerate(zip(reference.found_columns, columns, strict=True)):
                kind = measure.types[column.name]
                yield _Found(name, identifier(alias, column.name), kind, "" if position else join, targets[0])

    @staticmethod
    def _expression(alias: str, column: Column, encoding: Encoding) -> str:
        name, value = identifier(column.name), identifier(alias, column.name)
        if encoding == "output":
            return f"{output_text(value)} AS {name}"
        if encoding == "native" and base_of(column.native_type) not in TEXTUAL:
            return f"{value} AS {name}"
        return f"{value}::text AS {name}"

    def _is_uncomputable(self, table: Table, column: Column) -> bool:
        return column.generated and (table.schema_name, table.name, column.name) in self._uncomputable

    @cached_property
    def _uncomputable(self) -> frozenset[tuple[str, str, str]]:
        return catalogue.read_uncomputable(self._connection, self._own_settings())

    @property
    def _copied(self) -> CopiedRows:
        return CopiedRows(self._address, self._snapshot, with_pg_catalog_first(self._own.search_path))

    def _is_copied(self, table: Table) -> bool:
        """Whether the table must be read by COPY, because no query can read it. Raises TerminalError if COPY is not enough."""
        if not self._obstacles:
            return False
        pointed = [known for known in (self._known.get(other) for other in compared_with(table)) if known is not None]
        obstacle = obstacle_of((table, *pointed), self._obstacles)
        if obstacle is not None and (pointed or table.id in self._cast or has_xml(table)):
            raise copy_is_not_enough(obstacle, table, self._address.display)
        return obstacle is not None

    def _own_settings(self) -> dict[str, str]:
        """The settings of the EDMS's sessions when they write rows."""
        own = {name: self._own.settings[name] for name in ("TimeZone", "DateStyle") if name in self._own.settings}
        zone = {"TimeZone": self._address.time_zone} if self._address.time_zone else {}
        return own | zone | {SEARCH_PATH: with_pg_catalog_first(self._own.settings[SEARCH_PATH])}

    def _set_search_path(self, cursor: adbc.Cursor, *tables: Table) -> None:
        """Set the search path for one read of these tables: the EDMS's if they call its functions, otherwise empty."""
        path = ""
        if any((table.schema_name, table.name) in self._with_own_functions for table in tables):
            path = with_pg_catalog_first(self._own.search_path)
        cursor.execute(f"SELECT pg_catalog.set_config('search_path', {literal(path)}, true)")


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    return pa.table(
        [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)], schema=schema
    )
