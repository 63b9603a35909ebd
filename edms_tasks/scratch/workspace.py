"""The workspace: one out-of-core DuckDB, bounded in memory, for set-based work on one snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable

AS_PARQUET = "(FORMAT parquet, ROW_GROUP_SIZE_BYTES '4MB')"
"""How queries are written to files: a reader holds a whole group of rows, whose texts may be long."""


@dataclass(frozen=True)
class Workspace:
    """A DuckDB database that overflows to `folder`; each thread works through a cursor of its own."""

    folder: Path
    engine: duckdb.DuckDBPyConnection
    schema: str = "main"

    def apart(self, schema: str) -> Workspace:
        """The same workspace with names of its own for what is tabulated: two databases have tables of the same names."""
        self.engine.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
        return replace(self, schema=schema)

    def forget(self) -> None:
        """Drop everything that was tabulated under this schema; what was written to files stays."""
        self.engine.execute(f"DROP SCHEMA {identifier(self.schema)} CASCADE")

    @contextmanager
    def threads(self, number: int) -> Iterator[None]:
        """Let each query use several threads meanwhile: for one long query at a time."""
        (before,) = self.engine.execute("SELECT current_setting('threads')").fetchall()[0]
        self.engine.execute(f"SET threads = {int(number)}")
        try:
            yield
        finally:
            self.engine.execute(f"SET threads = {int(before)}")

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of this thread's own to the same database, closed afterwards."""
        cursor = self.engine.cursor()
        try:
            cursor.execute("SET TimeZone = 'UTC'")  # the text of timestamps must not depend on the machine
            cursor.execute(f"SET schema = {literal(self.schema)}")
            yield cursor
        finally:
            cursor.close()


@contextmanager
def open_workspace(folder: Path, *, memory_limit_mb: int, threads: int) -> Iterator[Workspace]:
    """Open a fresh workspace in `folder`; what does not fit into memory goes to files there."""
    folder.mkdir(parents=True, exist_ok=True)
    # In memory, but for what does not fit: a database on disk would write each table through to it.
    engine = duckdb.connect(":memory:")
    try:
        engine.execute(f"SET memory_limit = '{int(memory_limit_mb)}MB'")
        engine.execute(f"SET threads = {int(threads)}")
        engine.execute(f"SET temp_directory = {literal(str(folder / 'overflow'))}")
        # The order of rows means nothing here, and keeping it would cost memory.
        engine.execute("SET preserve_insertion_order = false")
        # Nothing this product does needs DuckDB to reach out.
        engine.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
        yield Workspace(folder, engine)
    finally:
        engine.close()


def relation(table: Table, raw: RawTable) -> str:
    """The raw rows as something to SELECT from; for a table without rows, the same columns and nothing in them."""
    if not raw.files:
        columns = (
            ", ".join(f"CAST(NULL AS VARCHAR) AS {identifier(column.name)}" for column in table.columns)
            or "1 AS nothing"
        )
        return f"(SELECT {columns} WHERE false)"
    files = ", ".join(literal(str(path)) for path in raw.files)
    return f"read_parquet([{files}])"


def column_types(cursor: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Column name -> DuckDB type of a relation."""
    return {str(name): str(kind) for name, kind, *_ in cursor.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
