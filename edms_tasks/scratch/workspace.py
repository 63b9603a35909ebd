"""The workspace: a DuckDB database with a memory limit that overflows to disk, for set-based work on a snapshot."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.duckdb_instance import cursor_of, open_instance
from edms_tasks.scratch.raw_table import RawTable

AS_PARQUET = "(FORMAT parquet, ROW_GROUP_SIZE_BYTES '4MB')"
"""Options of COPY … TO. Row groups are small, because a reader holds a whole one in memory, and its texts may be long."""


_MOST_TYPES = 2_000
# Steps of a run ask for the same rows one after another, and preparing that question costs more than reading a small table.
_types: dict[tuple[tuple[Path, int, int, int], ...], dict[str, str]] = {}


@dataclass(frozen=True)
class Workspace:
    """A DuckDB database that overflows to `folder`. Each thread uses its own cursor."""

    folder: Path
    engine: duckdb.DuckDBPyConnection
    schema: str = "main"

    def apart(self, schema: str) -> Workspace:
        """The same workspace with its own schema for tables: two databases have tables with the same names."""
        self.engine.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(schema)}")
        return replace(self, schema=schema)

    def forget(self) -> None:
        """Drop this schema with all its tables. Files that were written stay."""
        self.engine.execute(f"DROP SCHEMA {identifier(self.schema)} CASCADE")

    def scratch(self, name: str) -> Path:
        """A path in the workspace's folder that nobody else uses; nothing is there yet."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder)) / name

    @contextmanager
    def threads(self, number: int) -> Iterator[None]:
        """Let each query use `number` threads. Meant for one long query at a time."""
        (before,) = self.engine.execute("SELECT current_setting('threads')").fetchall()[0]
        self.engine.execute(f"SET threads = {int(number)}")
        try:
            yield
        finally:
            self.engine.execute(f"SET threads = {int(before)}")

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for this thread, in UTC and with this schema as default; closed afterwards."""
        with cursor_of(self.engine) as cursor:
            if self.schema != "main":
                cursor.execute(f"SET schema = {literal(self.schema)}")
            yield cursor


@contextmanager
def open_workspace(folder: Path, *, memory_limit_mb: int, threads: int) -> Iterator[Workspace]:
    """Open an empty workspace; data beyond the memory limit overflows to files in `folder`, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    # In memory: a database on disk would write every table to the disk. No query here depends on the order of rows, and keeping
    # it costs memory.
    with open_instance(
        folder / "overflow", memory_limit_mb=memory_limit_mb, threads=threads, keeps_order=False, caches_files=True
    ) as engine:
        yield Workspace(folder, engine)


def relation(table: Table, raw: RawTable) -> str:
    """SQL to select the raw rows from; for a table without rows, an empty relation with its columns."""
    if not raw.files:
        columns = (
            ", ".join(f"CAST(NULL AS VARCHAR) AS {identifier(column.name)}" for column in table.columns)
            or "1 AS nothing"
        )
        return f"(SELECT {columns} WHERE false)"
    files = ", ".join(literal(str(path)) for path in raw.files)
    return f"read_parquet([{files}])"


def types_of_rows(cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable) -> dict[str, str]:
    """Column name -> DuckDB type of the raw rows, as `relation` selects them. The same files are asked once."""
    if not raw.files:
        return dict.fromkeys((column.name for column in table.columns), "VARCHAR")
    known = tuple(
        (path, found.st_ino, found.st_size, found.st_mtime_ns) for path in raw.files for found in [path.stat()]
    )
    if known not in _types:
        if len(_types) >= _MOST_TYPES:
            _types.clear()
        _types[known] = column_types(cursor, relation(table, raw))
    return dict(_types[known])


def column_types(cursor: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    """Column name -> DuckDB type of a relation."""
    return {str(name): str(kind) for name, kind, *_ in cursor.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
