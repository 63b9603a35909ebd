"""Which rows of a table its constraints refuse, asked in a temporary table that has none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.loading import copy_table
from edms_tasks.databases.refused_together import RefusedRow, unique_queries
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier

_TWIN = "pg_temp.edms_refused_rows"
_CHECKS = """
    SELECT conname::text, pg_catalog.pg_get_expr(conbin, conrelid) FROM pg_catalog.pg_constraint
    WHERE conrelid = %s::regclass AND contype = 'c' ORDER BY 1
"""


def refused_rows(address: DatabaseAddress, entry: TableEntry, chunks: Sequence[Path]) -> Iterator[RefusedRow]:
    """The rows of a table's chunks that its unique keys and CHECK constraints refuse, as far as they can be evaluated here.

    Args:
        address: a database in which the table is.
        entry: the table, with the encodings of its rows.
        chunks: its rows.
    """
    table = entry.table
    if not table.primary_key:
        return
    name = identifier(table.schema_name, table.name)
    with connected(address, own_search_path=True) as connection:
        try:
            # Dates and times in keys as texts, whatever the EDMS's sessions use.
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET DateStyle = 'ISO'")
            connection.execute(f"CREATE TEMPORARY TABLE edms_refused_rows (LIKE {name} INCLUDING GENERATED)".encode())
            with connection.cursor() as cursor:
                copy_table(cursor, table.stored_columns, _TWIN, entry.encodings, chunks, frozen=False)
            checks = connection.execute(_CHECKS.encode(), [name]).fetchall()
        except psycopg.Error:
            return  # the database's own refusal is all that is known
        key = ", ".join(f"CAST({identifier(column)} AS TEXT)" for column in table.primary_key)
        queries = [*unique_queries(table, _TWIN)]
        queries += [(str(one), f"SELECT '', {key} FROM {_TWIN} WHERE NOT ({rule})") for one, rule in checks]
        for constraint, query in queries:
            try:
                with connection.cursor() as cursor:
                    for group, *parts in cursor.execute(query.encode()):
                        yield RefusedRow(constraint, str(group), tuple(map(str, parts)))
            except psycopg.Error:
                continue  # a function that this role may not call, or that fails
