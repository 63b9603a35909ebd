"""Rows that the server cannot read end a backup with an error that names the table and what to do."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import View
from edms_tasks.errors import TerminalError, TransientError
from edms_tasks.extract import extract_table
from tests.databases.arriving_rows import ROWS, arriving_rows
from tests.postgres_server import PostgresServer


def extract(view: View, name: str, folder: Path) -> int:
    (table,) = [table for table in view.tables() if table.name == name]
    return extract_table(view, table, folder / name, 100).rows


def test_a_table_whose_file_is_gone_is_named_and_the_others_are_read(postgres_database: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE lost AS SELECT 1 AS a; CREATE TABLE kept AS SELECT 1 AS a; CHECKPOINT")
        row = connection.execute(
            "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('lost')"
        ).fetchone()
    assert row is not None
    file = Path(row[0])
    content = file.read_bytes()
    file.unlink()
    try:
        with open_database(DatabaseAddress.from_url(postgres_database)).view(tmp_path, 1) as view:
            with pytest.raises(TerminalError) as raised:
                extract(view, "lost", tmp_path)

            assert extract(view, "kept", tmp_path) == 1  # by a session of its own: that of the failure is of no use
    finally:
        file.write_bytes(content)

    assert "lost" in raised.value.what
    assert "could not open file" in raised.value.why
    assert "check the disk" in raised.value.fix


def test_texts_that_are_in_no_encoding_are_named(postgres_server: PostgresServer, tmp_path: Path) -> None:
    name = "without_an_encoding"
    with psycopg.connect(postgres_server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    try:
        with psycopg.connect(postgres_server.url(name), autocommit=True) as connection:
            connection.execute("SET client_encoding = 'SQL_ASCII'; CREATE TABLE t (a text)")
            with connection.cursor().copy("COPY t FROM STDIN") as copy:
                copy.write(b"caf\xe9\n")
        database = open_database(DatabaseAddress.from_url(postgres_server.url(name)))
        with database.view(tmp_path, 1) as view, pytest.raises(TerminalError) as raised:
            extract(view, "t", tmp_path)
    finally:
        postgres_server.drop_databases(name)

    assert "0xe9" in raised.value.why
    assert "iconv" in raised.value.fix


def test_a_read_that_the_server_ends_may_be_made_again(postgres_database: str, tmp_path: Path) -> None:
    with arriving_rows(postgres_database, tmp_path) as (other, view, pieces):
        other.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%'")

        with pytest.raises(TransientError) as raised:
            list(pieces)

        assert extract(view, "t", tmp_path) == ROWS
    assert "standby" in raised.value.fix
