"""The versions of columns that an older pg_dump writes for an updated server are no part of a snapshot."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.postgresql.archive import Entry, read_archive
from edms_tasks.databases.postgresql.column_versions import without_column_versions
from tests.databases.rebuilt import capture, rebuild


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (
            b"CREATE TABLE t (a int);\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=26489424);\n",
            b"CREATE TABLE t (a int);\n",
        ),
        (b'ALTER FOREIGN TABLE ONLY "a;b" ALTER COLUMN "c""(" SET (pg_attver=1);', b""),
        (
            b"ALTER TABLE ONLY t ALTER COLUMN a SET (n_distinct=5, pg_attver=7);\nALTER TABLE ONLY t ALTER COLUMN b SET (n_distinct=-1);",
            b"ALTER TABLE ONLY t ALTER COLUMN a SET (n_distinct=5);\nALTER TABLE ONLY t ALTER COLUMN b SET (n_distinct=-1);",
        ),
        (
            b"CREATE TABLE t (a text DEFAULT '\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n');\n",
            b"CREATE TABLE t (a text DEFAULT '\nALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=1);\n');\n",
        ),
        (b"CREATE VIEW v AS SELECT ' (pg_attver=1)'::text;", b"CREATE VIEW v AS SELECT ' (pg_attver=1)'::text;"),
    ],
)
def test_they_alone_are_left_out(written: bytes, kept: bytes) -> None:
    assert without_column_versions(written).strip() == kept.strip()


def test_a_snapshot_with_them_is_restored_and_proved(postgres_database: str, tmp_path: Path) -> None:
    """The numbers are others in the restored database, and servers without the update refuse the option."""
    with psycopg.connect(postgres_database) as connection:
        connection.execute(
            "CREATE TABLE paper (id integer PRIMARY KEY, title text); ALTER TABLE paper ALTER title SET (n_distinct = 5)"
        )
    captured = capture(postgres_database, tmp_path)
    archive = read_archive(captured.schema.path)
    archive.write(captured.schema.path, [_as_an_older_pg_dump_writes_it(entry) for entry in archive.entries])
    assert captured.schema.path.read_bytes().count(b"pg_attver") == 2

    rebuilt = rebuild(captured, tmp_path)

    assert rebuilt.is_proved and rebuilt.staging.left_out == []
    with psycopg.connect(rebuilt.url) as connection:
        row = connection.execute(
            "SELECT attoptions FROM pg_attribute WHERE attrelid = 'paper'::regclass AND attname = 'title'"
        ).fetchone()
    assert row is not None and "n_distinct=5" in row[0] and "pg_attver=26489424" not in row[0]


def _as_an_older_pg_dump_writes_it(entry: Entry) -> Entry:
    if entry.kind != "TABLE":
        return entry
    written = entry.raw("definition").replace(b"n_distinct=5", b"n_distinct=5, pg_attver=26489424")
    more = b"ALTER TABLE ONLY public.paper ALTER COLUMN id SET (pg_attver=26489424);\n"
    return entry.changed("definition", written + more)
