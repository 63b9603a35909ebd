"""Reading SQLite: a copy made by SQLite's online backup, read as Arrow through ADBC.

SQLite keeps a type per value, not per column. Each column is therefore measured first: where all its values are of
one storage class it travels as that Arrow type; where classes are mixed, every value travels *tagged* with its class.
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
from edms_tasks.databases.sqlite.definitions import PRAGMAS, read_definitions
from edms_tasks.databases.sqlite.foreign import Foreign, in_file, strip_for_reading
from edms_tasks.databases.sqlite.readers import Lender, Readers
from edms_tasks.databases.sqlite.search import check_search_indexes
from edms_tasks.errors import DatabaseRefused, DatabaseUnreadable
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import ROW_ID, Column, Finding, Table
from edms_tasks.manifest import Encoding, Sequence, TableEntry
from edms_tasks.quoting import identifier, identifiers, literal

_EXACT_IN_DOUBLE = 2**53
_SMALL_PIECES = 8  # so many times the size of a piece may be read at once


@contextmanager
def open_view(address: DatabaseAddress, scratch: Path) -> Iterator[SqliteView]:
    """Copy the database under its own lock protocol (writers go on), then read the copy."""
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


def _make_plain(copy: Path, plain: Path, foreign: Foreign) -> None:
    """A second copy, whose rows can be read without what only the EDMS's connections know."""
    shutil.copyfile(copy, plain)
    with closing(sqlite3.connect(plain, isolation_level=None)) as connection:
        foreign.register(connection)
        strip_for_reading(connection, foreign)


def _without_log(copy: Path) -> str:
    """Take the copy out of WAL mode, in which readers that open it at the same time lock each other out; returns the mode it had."""
    with closing(sqlite3.connect(copy)) as connection:
        mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        if mode == "wal":
            connection.execute("PRAGMA journal_mode = DELETE")
    return mode


def copy_database(source: Path, destination: Path) -> None:
    """SQLite's online backup: one consistent state, page by page.

    Raises:
        DatabaseRefused: no such file, not a database, or damaged.
    """
    require_readable(source)
    if not source.is_file():
        raise DatabaseRefused(
            "The database file does not exist.",
            where=str(source),
            fix="Fix the EDMS's DATABASES setting, or run its migrations first. To restore it: `edms-backup restore latest`.",
        )
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


def require_readable(source: Path) -> None:
    """This user may read the file and its write-ahead log; raises DatabaseUnreadable."""
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
    """One consistent state of a SQLite database; safe to use from several threads."""

    def __init__(
        self,
        path: Path,
        *,
        journal_mode: str = "",
        foreign: Foreign | None = None,
        rows: Path | None = None,
        readers: Lender[adbc.Connection] | None = None,  # None: rows are read from `rows`, or else from `path`
    ) -> None:
        self.path = path
        self._rows = rows or path
        self._foreign = foreign or Foreign()
        self._journal_mode = journal_mode  # of the database that this is a copy of
        self._readers = readers or Readers(lambda: adbc.connect(str(self._rows)))
        self._connections = Readers(
            lambda: sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        )

    def close(self) -> None:
        """Close the connections; the files may be removed then."""
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

    def once_true(self) -> tuple[Finding, ...]:
        """Nothing: a table is loaded as its file holds it, and no constraint is evaluated anew."""
        return ()

    def closed_to_merges(self) -> dict[str, str]:
        """The library that writes cannot be given functions and collations of the EDMS's own (foreign.py)."""
        closed: dict[str, list[str]] = {}
        with self._connections.borrow() as connection:
            made = connection.execute("SELECT name, type, tbl_name FROM sqlite_master ORDER BY name").fetchall()
        for name, kind, table in made:
            if needed := self._foreign.objects.get(name):
                of = "" if kind == "table" else f" in the index {name}"
                closed.setdefault(table, []).append(f"{', '.join(sorted(needed))}{of}")
        return {table: f"its definition uses {'; '.join(words)}" for table, words in closed.items()}

    def sequences(self) -> tuple[Sequence, ...]:
        with self._connections.borrow() as connection:
            return catalogue.read_sequences(connection)

    def counters(self) -> dict[str, Sequence]:
        with self._connections.borrow() as connection:
            return catalogue.read_counters(connection)

    def measure(self, table: Table) -> Measure:
        """Which storage classes each column really holds, in one scan."""
        name = identifier(table.name)
        if not table.columns:
            return Measure(rows=0, encodings={}, types={})
        parts = []
        for column in table.columns:
            quoted = identifier(column.name)
            parts += [f"sum(typeof({quoted}) = '{kind}')" for kind in ("integer", "real", "text", "blob")]
            parts.append(
                f"max(typeof({quoted}) = 'integer' AND ({quoted} > {_EXACT_IN_DOUBLE} OR {quoted} < -{_EXACT_IN_DOUBLE}))"
            )
        values: list[int] = []
        rows = 0
        with self._readers.borrow() as reader, reader.cursor() as cursor:
            # SQLite allows 2000 result columns; wide tables are measured in slices.
            for start in range(0, len(parts), 1000):
                cursor.execute(f"SELECT count(*), {', '.join(parts[start : start + 1000])} FROM {name}")
                row = cursor.fetchone()
                assert row is not None  # an aggregate always returns one row
                rows = int(row[0])
                values += [int(value or 0) for value in row[1:]]
        encodings: dict[str, Encoding] = {}
        types: dict[str, pa.DataType] = {}
        for position, column in enumerate(table.columns):
            encodings[column.name], types[column.name] = _encoding(column, *values[position * 5 : position * 5 + 5])
        return Measure(rows=rows, encodings=encodings, types=types)

    def read_like(self, entries: Iterable[TableEntry]) -> None:
        """Nothing to do: SQLite is always read in the same way."""

    def cautious(self, table: Table, measure: Measure) -> Measure:
        """Tag every text column: a SQLite text may hold bytes that are no UTF-8."""
        encodings = dict(measure.encodings)
        for name, kind in measure.types.items():
            if kind == pa.string():
                encodings[name] = "tagged"
        return Measure(rows=measure.rows, encodings=encodings, types=measure.types)

    def raw_bytes(self, tables: Iterable[Table]) -> int:
        return 0  # asked for with the room for the copy

    def parts(self, table: Table) -> tuple[Part, ...]:
        """The whole: one file is read by one process anyway."""
        return (Part("", 0),)

    def batches(self, table: Table, measure: Measure, part: Part, rows: int) -> Iterator[pa.Table]:
        """Walk the table by primary key (or row id), `rows` at a time.

        Text that is not valid UTF-8 cannot stand in Arrow: such a column makes ADBC's result invalid, which is found
        here and answered by reading the column tagged.
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
            # ADBC infers a column's type from a batch: a batch as large as the piece makes it see every value.
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
        """The last row id of each piece, bounded by bytes; None, again and again, where `rows` rows are small enough anyway."""
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
        """`sqlite_master` as JSON, in the order the objects were made, with the pragmas stored in the file."""
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
        """None are known yet: what SQLite keeps of a file as a whole stands in the pragmas that the staging file is made with."""
        return {}

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""
        with self._connections.borrow() as connection:
            return connection.execute(statement).fetchall()


def _encoding(
    column: Column, integers: int, reals: int, texts: int, blobs: int, large: int
) -> tuple[Encoding, pa.DataType]:
    classes = sum(1 for count in (integers, reals, texts, blobs) if count)
    if classes > 1:
        # NUMERIC and INTEGER columns store 5.0 as 5: as long as doubles hold every integer exactly, doubles come back
        # as the same mixture.
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
            # SQLite writes infinity as no number it reads back, but reads one too large for a double as infinity; and it
            # writes minus zero without its sign, which only the arc tangent still sees.
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
    # A piece with nothing but NULLs in a column is delivered as integers, which cannot become bytes.
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    return column.cast(kind)
