"""Exports of a paperless on SQLite, converted for one on PostgreSQL: every row and file, compared by psycopg and sqlite3."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from flows.convert import convert
from flows.requests import ConvertRequest
from flows.running.run import Run
from tests.legacy.test_paperless_comes_back import FORMS, SmallPaperless, files_of, small_paperless
from tests.postgres_server import PostgresServer
from tests.running import run_restore

__all__ = ["small_paperless"]
pytestmark = [pytest.mark.long, pytest.mark.usefixtures("edms_asked_once", "edms_migrated_once")]

_LEFT_OUT = {"auth_user": "username NOT IN ('consumer', 'AnonymousUser')", "django_migrations": "1 = 0"}
_WITHOUT_IDENTITY = ("documents_document_tags", "documents_sharelinkbundle_documents", "auth_group_permissions")


@dataclass(frozen=True)
class OnPostgresql(SmallPaperless):
    """Another paperless, without rows, on PostgreSQL."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {"PAPERLESS_DATABASE": self.url, "PAPERLESS_MEDIA_ROOT": str(self.media)}


def same(value: Any) -> Any:
    """A value as both engines have it."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        value = json.loads(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None))
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return str(value) if isinstance(value, date) else value


def rows(connection: Any, table: str, columns: list[str]) -> list[list[Any]]:
    names = ", ".join(f'"{name}"' for name in columns)
    found = connection.execute(f'SELECT {names} FROM "{table}" WHERE {_LEFT_OUT.get(table, "1 = 1")}').fetchall()
    return sorted(([same(value) for value in row] for row in found), key=repr)


@pytest.mark.parametrize("form", FORMS)
def test_an_export_of_sqlite_comes_back_on_postgresql(
    form: str, small_paperless: SmallPaperless, postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    options = dict(FORMS[form])
    path = small_paperless.export(tmp_path / ("export.zip" if options.get("zip") else "export"), **options)
    system = OnPostgresql(tmp_path / "postgresql", postgres_database)
    asked = {"passphrase": options["passphrase"]} if "passphrase" in options else {}
    settings = system.settings(tmp_path, **asked)
    into = f"{postgres_database.rpartition('/')[2]}_back"

    made = convert.fn(Run(settings), ConvertRequest(path=str(path)))
    done = run_restore(settings, snapshot=made.snapshot_id, into=into, into_files=tmp_path / "files")

    assert made.made is not None and made.made.manifest.converted is not None
    assert (made.made.manifest.converted.losses, done.verdict) == (0, "proved")
    with (
        closing(sqlite3.connect(small_paperless.database)) as there,
        psycopg.connect(postgres_server.url(into)) as here,
    ):
        tables = there.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        for (table,) in tables.fetchall():
            columns = [row[1] for row in there.execute(f"SELECT * FROM pragma_table_xinfo('{table}')")]
            columns = columns[1:] if table in _WITHOUT_IDENTITY else columns
            assert rows(here, table, columns) == rows(there, table, columns), table
    assert files_of(tmp_path / "files" / "media") == files_of(small_paperless.media)
