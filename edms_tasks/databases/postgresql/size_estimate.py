"""Estimate the disk space that the rows of a PostgreSQL database take when read, without reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from edms_tasks.databases.postgresql.type_encodings import base_of
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier

# Types whose length the server knows without decompressing a value.
_KNOWN_LENGTH = ("text", "bytea", "character varying")
# Types whose long values are compressed, and must be decompressed to determine their length.
_UNKNOWN_LENGTH = ("json", "jsonb", "xml", "tsvector", "hstore")
_LONG = 500
_ROW = 8  # what Parquet keeps with the values of a row
_PAGES = 2000  # of a table whose values have much the same length
_PACKED = 4  # pglz and lz4 compress JSON and the like to a third or a quarter


Ask = Callable[[Table, str], Sequence[object]]


def bytes_of_the_database(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """The size of all files of the connection's database, indexes and free pages included."""
    row = connection.execute("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())").fetchone()
    assert row is not None  # the function always returns one row
    return int(str(row[0]))


def rows_on_disk(connection: psycopg.Connection[tuple[object, ...]], tables: Sequence[Table], ask: Ask) -> int:
    """The approximate size in bytes of the tables' rows as uncompressed Parquet.

    It is the size of the values as the server keeps them, and more for values that it compresses: for texts and bytes the real length,
    for long JSON and the like four times the compressed size. Files of tables are no measure: a vacuum leaves free pages in them.

    Args:
        connection: a connection, for the server's catalogue.
        tables: the tables.
        ask: runs a query on one of them and returns its one row.
    """
    rows = connection.execute(
        """
        SELECT n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::int
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r'
        """
    ).fetchall()
    pages = {(schema, name): int(str(number or 0)) for schema, name, number in rows}
    return sum(_size(ask, table, pages.get((table.schema_name, table.name), 0)) for table in tables)


def _size(ask: Ask, table: Table, pages: int) -> int:
    """The bytes of a table's values when they are read. Only the lengths are asked for, so no value is fetched or decompressed."""
    if not pages:
        return 0
    kinds = {column.name: base_of(column.native_type) for column in table.columns}
    known = [identifier(name) for name, kind in kinds.items() if kind in _KNOWN_LENGTH]
    unknown = [
        identifier(name)
        for name, kind in kinds.items()
        if kind.endswith("[]") or kind.rpartition(".")[2] in _UNKNOWN_LENGTH
    ]
    every, lengths, kept, others = (
        " + ".join(f"coalesce(sum(pg_catalog.{function}({name})), 0)" for name in names) or "0"
        for function, names in (
            ("pg_column_size", [identifier(name) for name in kinds]),
            ("octet_length", known),
            ("pg_column_size", known),
            ("pg_column_size", unknown),
        )
    )
    source = f"FROM ONLY {identifier(table.schema_name, table.name)}"
    share = 100.0
    if not known and not unknown and pages > _PAGES:  # values of much the same length: some pages tell
        share = 100 * _PAGES / pages
        source += f" TABLESAMPLE SYSTEM ({share:.6f}) REPEATABLE (0)"
    found = ask(
        table, f"SELECT count(*), ({every})::bigint, ({lengths})::bigint, ({kept})::bigint, ({others})::bigint {source}"
    )
    rows, stored, length, packed, other = (int(str(number)) for number in found)
    grown = max(0, length - packed) + (other * (_PACKED - 1) if other > rows * _LONG else 0)
    return int((stored + rows * _ROW) * 100 / share) + grown
