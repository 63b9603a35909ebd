"""Read SQLite: a copy made by SQLite's online backup is read as Arrow through ADBC.

In SQLite each value has its own type. So each column is measured first: if all its values are of one storage class, it is
read as that Arrow type; if classes are mixed, every value is *tagged* with its class.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import pyarrow as pa

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.protocol import CapturedSchema, Definition, Measure, Part
from edms_tasks.databases.rechunk import PIECE_BYTES
from edms_tasks.databases.sqlite import catalogue
from edms_tasks.databases.sqlite.application_functions import ForeignNames, in_file, strip_for_reading
from edms_tasks.databases.sqlite.connection_pool import Lender, Readers
from edms_tasks.databases.sqlite.definitions import PRAGMAS, read_definitions
from edms_tasks.databases.sqlite.search_index_check import check_search_indexes
from edms_tasks.databases.sqlite.storage_classes import ClassCounts, count_classes
from edms_tasks.databases.sqlite.tables_of_the_edms import closed_tables
from edms_tasks.databases.sqlite.violated_constraints import read_violated_constraints
from edms_tasks.errors import DatabaseRefused, DatabaseUnreadable
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import ROW_ID, Column, Finding, Table
from edms_tasks.manifest import Encoding, SequencePosition, TableEntry
from edms_tasks.quoting import identifier, identifiers, literal

IF_IT_IS_LOST = "If it held the EDMS's data: `edms-backup restore latest` brings them back."
"""What to do about a database file that is gone, empty or damaged, before anything that begins anew."""

_SMALL_PIECES = 8  # the most data to read at once, in multiples of PIECE_BYTES


@contextmanager
def open_view(address: DatabaseAddress, scratch: Path) -> Iterator[SqliteView]:
    """Copy the database into `scratch`, while others may write, and yield a view of the copy. Raises DatabaseRefused."""
    copy = scratch / "source.sqlite3"
    copy.unlink(missing_ok=True)
    copy_database(Path(address.name), copy)
    plain = scratch / "plain.sqlite3"
    try:
        mode = _without_log(copy)
        with closing(sqlite3.connect(copy)) as connection:
            foreign = in_file(connection)
        if foreign.objects:
            _make_plain(copy, plain, foreign)
        view = SqliteView(copy, journal_mode=mode, foreign=foreign, rows=plain if foreign.objects else copy)
        with closing(view):
            yield view
    finally:
        plain.unlink(missing_ok=True)
        copy.unlink(missing_ok=True)


def _make_plain(copy: Path, plain: Path, foreign: ForeignNames) -> None:
    """Make a second copy whose rows can be read without the EDMS's functions and collations."""
    shutil.copyfile(copy, plain)
    with closing(sqlite3.connect(plain, isolation_level=None)) as connection:
        foreign.register(connection)
        strip_for_reading(connection, foreign)


def _without_log(copy: Path) -> str:
    """Switch the copy from WAL mode, in which parallel readers may block each other on opening; returns the mode that it had."""
    with closing(sqlite3.connect(copy)) as connection:
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        if mode == "wal":
            connection.execute("PRAGMA journal_mode = DELETE")
    return mode


def copy_database(source: Path, destination: Path) -> None:
    """Copy one consistent state of a database by SQLite's online backup.

    Raises:
        DatabaseRefused: the file does not exist, is not a database, or is damaged.
        DatabaseUnreadable: this user may not read it.
    """
    require_readable(source)
    if not source.is_file():
        raise missing_file(source)
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=60)) as live,
            closing(sqlite3.connect(destination)) as copy,
        ):
            live.backup(copy)
    except sqlite3.Error as error:
        raise DatabaseRefused(
            "The database file cannot be read.",
            where=str(source),
            why=str(error),
            fix="Check its permissions and `PRAGMA integrity_check`.",
        ) from error


def missing_file(path: Path) -> DatabaseRefused:
    """The error for a database file that does not exist."""
    return DatabaseRefused(
        "The database file does not exist.",
        where=str(path),
        fix=f"{IF_IT_IS_LOST} Otherwise fix its DATABASES setting, or run its migrations first.",
    )


def require_readable(source: Path) -> None:
    """Check that this user may read the file and its write-ahead log. Raises DatabaseUnreadable."""
    for path in (*reversed(source.absolute().parents), source, Path(f"{source}-wal"), Path(f"{source}-shm")):
        needed = os.X_OK if path in source.absolute().parents else os.R_OK
        if os.path.lexists(path) and not os.access(path, needed, effective_ids=True) and path.exists():
            owner = path.stat()
            raise DatabaseUnreadable(
                "This user may not read the database file.",
                where=str(path),
                why=f"User {os.geteuid()} runs edms-backup; {path.name or path} belongs to user {owner.st_uid}, group {owner.st_gid}, "
                f"with the permissions {stat.filemode(owner.st_mode)}.",
                fix="Run edms-backup as the EDMS's user or as root, or give this user's group the right to read the file.",
            )


class SqliteView:
    """The protocol's `View` for SQLite; safe for several threads."""

    def __init__(
        self,
        path: Path,
        *,
        journal_mode: str = "",
        foreign: ForeignNames | None = None,
        rows: Path | None = None,
        readers: Lender[adbc.Connection] | None = None,  # None: connections to `rows`, or to `path` without it
    ) -> None:
        self.path = path
        self._rows = rows or path
        self._foreign = foreign or ForeignNames()
        self._journal_mode = journal_mode  # of the original, not of this copy
        self._readers = readers or Readers(lambda: adbc.connect(str(self._rows)))
        self._connections = Readers(
            lambda: sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        )

    def close(self) -> None:
        """Close the connections. The files may be removed afterwards."""
        self._readers.close()
        self._connections.close()

    def tables(self) -> tuple[Table, ...]:
        with self._connections.borrow() as connection:
            return catalogue.read_tables(connection)

    def findings(self) -> tuple[Finding, ...]:
        with self._connections.borrow() as connection:
            virtual = [
                row[0]
                for row in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
                )
            ]
        with closing(sqlite3.connect(self.path)) as connection:
            checked = tuple(check_search_indexes(connection))
        described = tuple(make_finding("virtual-table", name) for name in virtual)
        return (*checked, *self._needs(), *described)

    def _needs(self) -> Iterator[Finding]:
        for name, needed in sorted(self._foreign.objects.items()):
            yield make_finding(
                "needs-the-edms",
                name,
                f"The definition uses functions or collations that only the EDMS's own connections have: {', '.join(sorted(needed))}. "
                "In a restore the EDMS's interpreter builds indexes over them.",
            )
        with self._connections.borrow() as connection:
            for name in self._foreign.objects:
                virtual = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({literal(name)})") if row[6] == 2]
                if virtual and self._foreign.needs_function(name):
                    yield make_finding(
                        "computed-column-not-read",
                        name,
                        f"The EDMS's functions compute {', '.join(virtual)} whenever it is read. It is NULL in the snapshot and restored "
                        "from its definition.",
                    )

    def violated_constraints(self) -> tuple[Finding, ...]:
        return tuple(read_violated_constraints(self.path))

    def closed_to_merges(self) -> dict[str, str]:
        """Tables whose rows or indexes are ordered or made by what only the EDMS has (computed_by_the_edms.py)."""
        with self._connections.borrow() as connection:
            return closed_tables(connection, self._foreign)

    def sequences(self) -> tuple[SequencePosition, ...]:
        with self._connections.borrow() as connection:
            return catalogue.read_sequences(connection)

    def counters(self) -> dict[str, SequencePosition]:
        with self._connections.borrow() as connection:
            return catalogue.read_counters(connection)

    def measure(self, table: Table) -> Measure:
        """Count the rows, and choose each column's encoding by the storage classes of its values."""
        if not table.columns:
            return Measure(rows=0, encodings={}, types={})
        with self._readers.borrow() as reader, reader.cursor() as cursor:
            rows, classes = count_classes(cursor, table)
        chosen = {column.name: _encoding(column, classes[column.name]) for column in table.columns}
        return Measure(
            rows=rows,
            encodings={name: encoding for name, (encoding, _) in chosen.items()},
            types={name: kind for name, (_, kind) in chosen.items()},
        )

    def read_like(self, entries: Iterable[TableEntry]) -> None:
        """Do nothing: all releases read SQLite in the same way."""

    def cautious(self, table: Table, measure: Measure) -> Measure:
        """The measure with every text column tagged, because a SQLite text may be invalid UTF-8."""
        encodings = dict(measure.encodings)
        for name, kind in measure.types.items():
            if kind == pa.string():
                encodings[name] = "tagged"
        return Measure(rows=measure.rows, encodings=encodings, types=measure.types)

    def bytes_on_disk(self) -> int:
        return 0  # `check_source` has checked the disk space

    def raw_bytes(self, tables: Iterable[Table]) -> int:
        return 0  # `check_source` has checked the disk space

    def parts(self, table: Table) -> tuple[Part, ...]:
        """The whole table as one part."""
        return (Part("", 0),)

    def batches(self, table: Table, measure: Measure, part: Part, rows: int) -> Iterator[pa.Table]:
        """The table's rows in the order of row ids (without them, of the primary key), `rows` at a time.

        Text that is not valid UTF-8 makes ADBC's result invalid. `_typed` detects it and raises ArrowException; the caller then
        reads again with the `cautious` measure.
        """
        schema = pa.schema([(column.name, measure.types[column.name]) for column in table.columns])
        expressions = [_expression(column, measure.encodings[column.name]) for column in table.columns]
        name = identifier(table.name)
        with self._connections.borrow() as connection:
            walkable = catalogue.has_rowid(connection, table.name)
        key = catalogue.free_row_id(column.name for column in table.columns) if walkable else None
        if table.row_ids:
            schema = schema.append(pa.field(ROW_ID, pa.int64()))
        with self._readers.borrow() as reader, reader.cursor() as cursor:
            # ADBC infers a column's type from a batch, so a batch must be as large as the piece.
            cursor.adbc_statement.set_options(
                **{"adbc.sqlite.query.batch_rows": str(max(rows, 1) if key else max(measure.rows, 1))}
            )
            if key is None:
                order = f" ORDER BY {identifiers(table.primary_key)}" if table.primary_key else ""
                cursor.execute(f"SELECT {', '.join(expressions)} FROM {name}{order}")
                whole = _typed(cursor.fetch_arrow_table(), schema)
                for start in range(0, whole.num_rows, rows):
                    yield whole.slice(start, rows)
                return
            select = f"SELECT {', '.join(expressions)}, {key} AS {identifier(ROW_ID)} FROM {name} WHERE"
            above = ""
            for last in self._ends_of_pieces(cursor, table, key, rows):
                within = f"{key} <= {last}" if last is not None else "true"
                cursor.execute(f"{select} {above}{within} ORDER BY {key} LIMIT {rows}")
                piece = cursor.fetch_arrow_table()
                if piece.num_rows == 0:
                    return
                above = f"{key} > {piece.column(piece.num_columns - 1)[-1].as_py()} AND "
                yield _typed(piece if table.row_ids else piece.drop_columns([ROW_ID]), schema)

    def _ends_of_pieces(self, cursor: adbc.Cursor, table: Table, key: str, rows: int) -> Iterator[int | None]:
        """The last row id of each piece, limited in bytes; None without end if `rows` rows are small enough anyway."""
        bound = _SMALL_PIECES * PIECE_BYTES
        sizes = " + ".join(f"coalesce(octet_length({identifier(column.name)}), 0)" for column in table.columns)
        widest = 0
        if self._rows.stat().st_size > bound:
            cursor.execute(f"SELECT coalesce(max({sizes}), 0) FROM {identifier(table.name)}")
            ((widest,),) = cursor.fetchall()
        if widest * rows <= bound:
            yield from itertools.repeat(None)
        cursor.execute(
            f"SELECT max(k) FROM (SELECT {key} AS k, (row_number() OVER w - 1) / {rows} AS n, "
            f"(sum({sizes}) OVER (w ROWS UNBOUNDED PRECEDING) - ({sizes})) / {PIECE_BYTES} AS s FROM {identifier(table.name)} "
            f"WINDOW w AS (ORDER BY {key})) GROUP BY n, s ORDER BY 1"
        )
        yield from [int(last) for (last,) in cursor.fetchall()]

    def capture_schema(self, path: Path) -> CapturedSchema:
        """Write `sqlite_master` as JSON, in the order in which the objects were created, with the pragmas stored in the file."""
        with self._connections.borrow() as connection:
            objects = [
                {"type": kind, "name": name, "table": table, "sql": sql}
                for kind, name, table, sql in connection.execute(
                    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
                )
            ]
            settings = {pragma: str(connection.execute(f"PRAGMA {pragma}").fetchone()[0]) for pragma in PRAGMAS}
            settings["journal_mode"] = self._journal_mode or str(
                connection.execute("PRAGMA journal_mode").fetchone()[0]
            )
        path.write_text(json.dumps({"objects": objects}, ensure_ascii=False), encoding="utf-8")
        return CapturedSchema(
            path=path,
            format="sqlite-schema-json",
            server_version=sqlite3.sqlite_version,
            settings=settings,
            materialized_views=(),
        )

    def definitions(self, schema: CapturedSchema) -> tuple[Definition, ...]:
        return read_definitions(schema)

    def properties(self, schema: CapturedSchema) -> dict[str, str]:
        """Nothing: SQLite stores what concerns a whole file in pragmas, which are `definitions`."""
        return {}

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""
        with self._connections.borrow() as connection:
            return connection.execute(statement).fetchall()


def _encoding(column: Column, classes: ClassCounts) -> tuple[Encoding, pa.DataType]:
    integers, reals, texts, blobs, large = classes
    if sum(1 for count in (integers, reals, texts, blobs) if count) > 1:
        # NUMERIC and INTEGER columns store 5.0 as 5. If doubles are exact for every integer, SQLite turns doubles into the
        # same mixture again.
        if not texts and not blobs and not large and catalogue.affinity(column.native_type) in ("NUMERIC", "INTEGER"):
            return "native", pa.float64()
        return "tagged", pa.string()
    if integers:
        return "native", pa.int64()
    if reals:
        return "native", pa.float64()
    if blobs:
        return "native", pa.binary()
    return "native", pa.string()


def _expression(column: Column, encoding: Encoding) -> str:
    name = identifier(column.name)
    if encoding == "tagged":
        return (
            f"CASE typeof({name}) WHEN 'integer' THEN 'i' || {name} "
            # SQLite prints infinity as a text that it cannot read back, but reads a number too large for a double as
            # infinity. It prints minus zero without the sign, which only the arc tangent shows.
            f"WHEN 'real' THEN 'r' || CASE {name} WHEN 9e999 THEN '9e999' WHEN -9e999 THEN '-9e999' "
            f"WHEN 0.0 THEN iif(atan2({name}, -1.0) < 0, '-0.0', '0.0') ELSE printf('%!.17g', {name}) END "
            f"WHEN 'text' THEN 't' || hex(CAST({name} AS BLOB)) WHEN 'blob' THEN 'b' || hex({name}) END AS {name}"
        )
    return name


def _typed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    typed = pa.table(
        [_cast(column, field.type) for column, field in zip(table.columns, schema, strict=True)], schema=schema
    ).combine_chunks()
    typed.validate(full=True)
    return typed


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    # ADBC delivers a column of NULLs as integers, which cannot be cast to bytes.
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    return column.cast(kind)
