"""One value beyond what Arrow holds sends a PostgreSQL column to another form; the values beside it are still the same."""

from __future__ import annotations

from pathlib import Path

import psycopg

from edms_tasks.inventory.model import NaturalKey
from tests.comparing.two_databases import compare
from tests.postgres_server import PostgresServer

_SCHEMA = """
CREATE TABLE moment (
    id int PRIMARY KEY, name text UNIQUE, day date, at timestamp, at_zone timestamptz, number numeric, price numeric(12, 2),
    real double precision, span interval, time time
)
"""
_ROWS = """
INSERT INTO moment VALUES
    (1, 'plain', '2026-11-23', '2026-11-23 01:02:03', '2026-11-23 01:02:03+02', 1.50, 1.5, 0.1, '1 day 00:00:01', '01:02:03'),
    (2, 'fraction', '0999-01-01', '2026-01-01 00:00:00.000001', '1970-01-01 00:00:00.5+00', 1e30, -0.01, 1e300, '1 mon', '00:00:00.5'),
    (3, 'edge', '9999-12-30', '9999-12-29 23:59:59.999999', '0001-01-03 00:00:00+00', 0.000, 0, -0.0, '-1 us', '23:59:59.999999'),
    (4, 'none', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""
_BEYOND = """
INSERT INTO moment VALUES
    (5, 'beyond', 'infinity', '-infinity', '0044-03-15 BC', 'NaN', 'NaN', 'NaN', '178000000 years', '24:00:00')
"""


def test_rows_beside_a_value_that_arrow_cannot_hold_are_the_same(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    urls = [postgres_server.create_database(f"forms_{name}") for name in ("first", "second")]
    for url, statements in zip(urls, ((_SCHEMA, _ROWS), (_SCHEMA, _ROWS, _BEYOND)), strict=True):
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement)

    found = compare(tmp_path, urls, {"moment": NaturalKey(source="settings", paths=(("name",),))})["moment"]

    assert (found.added, found.removed, found.changed, found.same, found.other_ids) == (1, 0, 0, 4, 0), found.rows
    (row,) = found.rows
    assert {field.name: field.after for field in row.fields}["day"] == "infinity"
