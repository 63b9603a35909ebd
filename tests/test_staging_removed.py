"""What was staged is removed when a restore ends before its promotion, and what cannot be does not hide why it ended."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.databases.protocol import CapturedSchema, StagingDatabase
from edms_tasks.errors import CheckFailed, DamagedRepository, DatabaseRefused, EdmsBackupError
from edms_tasks.promotion import Journal
from flows.restoring.staging_area import StagedCleanup
from tests.postgres_server import PostgresServer


class Unreachable:
    """A staging database on a server that is gone."""

    address = DatabaseAddress("postgresql", "edms_staging", host="db.example")

    def drop(self) -> None:
        raise DatabaseRefused("The database does not answer.", where="db.example")


def staged(tmp_path: Path, said: list[str]) -> tuple[StagedCleanup, Path]:
    folder = tmp_path / "media.edms-staging-0123abcd"
    folder.mkdir()
    cleanup = StagedCleanup(Journal(tmp_path / "promotions.json"), [folder], [], said.append)
    cleanup.staging = cast(StagingDatabase, Unreachable())
    return cleanup, folder


def test_the_reason_for_the_end_of_a_restore_stays_its_error(tmp_path: Path) -> None:
    said: list[str] = []
    cleanup, folder = staged(tmp_path, said)

    with pytest.raises(CheckFailed, match="not equal"), cleanup:
        raise CheckFailed("The restored data is not equal.")

    assert not folder.exists()
    (line,) = said
    assert "edms_staging" in line and "does not answer" in line


def test_a_copy_that_stays_behind_is_an_error_where_there_is_no_other(tmp_path: Path) -> None:
    cleanup, folder = staged(tmp_path, [])

    with pytest.raises(DatabaseRefused), cleanup:
        pass

    assert not folder.exists()


def test_no_file_is_left_of_tables_that_sqlite_cannot_create(tmp_path: Path) -> None:
    schema = tmp_path / "schema"
    schema.write_text(
        '{"objects": [{"type": "table", "name": "t", "table": "t", "sql": "CREATE TABLE t (a) USING nothing"}]}'
    )
    live = open_database(DatabaseAddress("sqlite", str(tmp_path / "live.sqlite3")))

    with pytest.raises(EdmsBackupError):
        live.stage(CapturedSchema(schema, "sqlite-schema-json", "3", {}, ()), None, 1)

    assert [path.name for path in tmp_path.iterdir()] == ["schema"]


def test_no_database_is_created_for_a_schema_that_cannot_be_read(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    schema = tmp_path / "schema"
    schema.write_bytes(b"no archive of pg_dump")
    live = DatabaseAddress.from_url(postgres_server.url("unread"))
    settings = {"encoding": "UTF8", "collate": "C", "ctype": "C"}

    with pytest.raises(DamagedRepository):
        open_database(live).stage(CapturedSchema(schema, "pg-dump-custom", "16", settings, ()), None, 1)

    assert not [name for name in postgres_server.databases() if "unread" in name]
