"""The room that a backup of PostgreSQL asks for is about what its rows take, however the server keeps them."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.extract import extract_table

TABLES = {
    "short_values": "CREATE TABLE t AS SELECT n AS id, n * 1.5 AS price, md5(n::text) AS code, now() AS at "
    "FROM generate_series(1, 20000) n",
    "long_texts_that_pack_well": "CREATE TABLE t AS SELECT n AS id, repeat('all the same ', 4000) AS text FROM generate_series(1, 200) n",
    "long_bytes_that_do_not_pack": "CREATE TABLE t AS SELECT n AS id, decode((SELECT string_agg(md5(n::text || m), '') "
    "FROM generate_series(1, 1000) m), 'hex') AS bytes FROM generate_series(1, 200) n",
    "long_json": "CREATE TABLE t AS SELECT n AS id, (SELECT jsonb_agg(jsonb_build_object('name', md5(m::text), 'n', m)) "
    "FROM generate_series(1, 400) m) AS payload FROM generate_series(1, 200) n",
    # Without autovacuum, which would remove them before the test looks.
    "many_dead_rows": "CREATE TABLE t WITH (autovacuum_enabled = false) AS "
    "SELECT n AS id, md5(n::text) AS code FROM generate_series(1, 20000) n; "
    "DELETE FROM t WHERE id % 10 > 0; ANALYZE t",
    "free_pages_of_a_vacuum": "CREATE TABLE t AS SELECT n AS id, md5(n::text) AS code FROM generate_series(1, 20000) n; "
    "DELETE FROM t WHERE id % 10 > 0; VACUUM t",
    "free_pages_where_long_values_were": "CREATE TABLE t AS SELECT n AS id, decode((SELECT string_agg(md5(n::text || m), '') "
    "FROM generate_series(1, 1000) m), 'hex') AS bytes FROM generate_series(1, 200) n; DELETE FROM t WHERE id % 10 > 0; VACUUM t",
    "numbers_of_which_some_pages_are_read": "CREATE TABLE t AS SELECT n AS id, n * 7 AS other FROM generate_series(1, 600000) n; "
    "DELETE FROM t WHERE id % 3 > 0; VACUUM t",
}


@pytest.mark.parametrize("name", TABLES)
def test_the_estimate_is_close_to_the_size_of_the_rows(name: str, postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        for statement in TABLES[name].split("; "):
            connection.execute(statement.encode())

    with open_database(DatabaseAddress.from_url(postgres_database)).view(tmp_path, 1) as view:
        (table,) = view.tables()
        guessed = view.raw_bytes([table])
        taken = extract_table(view, table, tmp_path / "raw", 100_000).bytes

    assert 0.7 * taken <= guessed <= 3 * taken


def test_the_size_of_the_database_is_that_of_its_tables_and_more(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        before = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        connection.execute(TABLES["long_bytes_that_do_not_pack"].encode())

    with open_database(DatabaseAddress.from_url(postgres_database)).view(tmp_path, 1) as view:
        (table,) = view.tables()
        assert before is not None
        assert view.bytes_on_disk() >= before[0] + view.raw_bytes([table]) // 2


def test_excluded_tables_need_no_space(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(TABLES["short_values"].encode())

    with open_database(DatabaseAddress.from_url(postgres_database)).view(tmp_path, 1) as view:
        assert view.raw_bytes([]) == 0


def test_a_column_of_any_type_can_be_estimated(postgres_database: str, tmp_path: Path) -> None:
    """Of all types that the server has, with lengths and as arrays: an estimate that fails is a backup that cannot be made."""
    long = ("varchar(4)", "char(3)", "numeric(5,2)", "bit(3)", "varbit(5)", "timestamp(3)", "timetz(0)", "interval(2)")
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE DOMAIN short AS varchar(5); CREATE SCHEMA s; CREATE TYPE s.text AS (a text)")
        rows = connection.execute(
            """
            SELECT pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t
            WHERE t.typnamespace IN ('pg_catalog'::regnamespace, 's'::regnamespace, 'public'::regnamespace)
                AND t.typtype IN ('b', 'd', 'r') AND t.typname NOT IN ('_cstring', '_record') AND t.typrelid = 0
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typtype IN ('c', 'p'))
            """
        ).fetchall()
        kinds = sorted({str(kind) for (kind,) in rows} | {*long, *(f"{one}[]" for one in long), "s.text", "s.text[]"})
        columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(kinds))
        connection.execute(f"CREATE TABLE t ({columns}); INSERT INTO t DEFAULT VALUES".encode())

    with open_database(DatabaseAddress.from_url(postgres_database)).view(tmp_path, 1) as view:
        (table,) = view.tables()
        assert len(table.columns) == len(kinds) > 100
        assert view.raw_bytes([table]) > 0
