"""Estimate the disk space that the rows of a PostgreSQL database take when read, without reading them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import psycopg

from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier

# Types whose values tell their length without being unpacked.
_TELLING = ("text", "bytea", "character varying")
# Types of which only long values are packed, and which must be unpacked to tell their length.
_UNTOLD = ("json", "jsonb", "xml", "tsvector", "hstore")
_LONG = 500
_PACKED = 4  # pglz and lz4 make JSON and the like about a third to a quarter


Ask = Callable[[Table, str], Sequence[object]]


def rows_on_disk(connection: psycopg.Connection[tuple[object, ...]], tables: Sequence[Table], ask: Ask) -> int:
    """Bytes, roughly, as uncompressed Parquet.

    Values take about what they take in the table itself, dead rows left out, and more where the server keeps them packed: texts and
    bytes are asked for their lengths, long JSON and the like is taken for packed to a quarter.

    Args:
        connection: for the server's catalogue.
        tables: which.
        ask: how to have one row of a query on one of them.
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
    """By how many bytes values grow that the server keeps packed."""
    kinds = {column.name: column.native_type.partition("(")[0] for column in table.columns}
    told = [identifier(name) for name, kind in kinds.items() if kind in _TELLING]
    untold = [
        identifier(name) for name, kind in kinds.items() if kind.endswith("[]") or kind.rpartition(".")[2] in _UNTOLD
    ]
    if not told and not untold:
        return 0
    lengths, kept, others = (
        " + ".join(f"coalesce(sum(pg_catalog.{function}({name})), 0)" for name in names) or "0"
        for function, names in (("octet_length", told), ("pg_column_size", told), ("pg_column_size", untold))
    )
    source = f"FROM ONLY {identifier(table.schema_name, table.name)}"
    found = ask(table, f"SELECT count(*), ({lengths})::bigint, ({kept})::bigint, ({others})::bigint {source}")
    rows, length, packed, other = (int(str(number)) for number in found)
    grown = max(0, length - packed)
    return grown + (other * (_PACKED - 1) if other > rows * _LONG else 0)
