"""Estimate the disk space that the rows of a PostgreSQL database take when read, without reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier

# Types whose length the server knows without decompressing a value.
_KNOWN_LENGTH = ("text", "bytea", "character varying")
# Types whose long values are compressed, and must be decompressed to determine their length.
_UNKNOWN_LENGTH = ("json", "jsonb", "xml", "tsvector", "hstore")
_LONG = 500
_PACKED = 4  # pglz and lz4 compress JSON and the like to a third or a quarter


Ask = Callable[[Table, str], Sequence[object]]


def rows_on_disk(connection: psycopg.Connection[tuple[object, ...]], tables: Sequence[Table], ask: Ask) -> int:
    """The approximate size in bytes of the tables' rows as uncompressed Parquet.

    It is the size of the tables without dead rows, and of values that the server compresses more: for texts and bytes the real length,
    for long JSON and the like four times the compressed size.

    Args:
        connection: a connection, for the server's catalogue.
        tables: the tables.
        ask: runs a query on one of them and returns its one row.
    """
    rows = connection.execute(
        """
        SELECT n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid),
               coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0),
               coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
        WHERE c.relkind = 'r'
        """
    ).fetchall()
    sizes = {(schema, name): [int(str(number or 0)) for number in numbers] for schema, name, *numbers in rows}
    total = 0
    for table in tables:
        inline, apart, live, dead = sizes.get((table.schema_name, table.name), (0, 0, 0, 0))
        total += inline * live // (live + dead) if live else inline
        total += apart
        if inline:
            total += _unpacked(ask, table)
    return total


def _unpacked(ask: Ask, table: Table) -> int:
    """The number of bytes by which compressed values grow when they are read."""
    kinds = {column.name: column.native_type.partition("(")[0] for column in table.columns}
    known = [identifier(name) for name, kind in kinds.items() if kind in _KNOWN_LENGTH]
    unknown = [
        identifier(name)
        for name, kind in kinds.items()
        if kind.endswith("[]") or kind.rpartition(".")[2] in _UNKNOWN_LENGTH
    ]
    if not known and not unknown:
        return 0
    lengths, kept, others = (
        " + ".join(f"coalesce(sum(pg_catalog.{function}({name})), 0)" for name in names) or "0"
        for function, names in (("octet_length", known), ("pg_column_size", known), ("pg_column_size", unknown))
    )
    source = f"FROM ONLY {identifier(table.schema_name, table.name)}"
    found = ask(table, f"SELECT count(*), ({lengths})::bigint, ({kept})::bigint, ({others})::bigint {source}")
    rows, length, packed, other = (int(str(number)) for number in found)
    grown = max(0, length - packed)
    return grown + (other * (_PACKED - 1) if other > rows * _LONG else 0)
