"""The installations that other tests damage: populated, apart from each other, and described by a settings file."""

from __future__ import annotations

import sqlite3
import tomllib
from pathlib import Path

import psycopg
import pytest

from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory

COUNT_DOCUMENTS = "SELECT count(*) FROM documents_document"


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_an_installation_is_populated_and_its_own(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    first, second = edms_factory(engine, documents=5), edms_factory(engine, documents=5)
    files = _files(second.media)

    _execute(first, "DELETE FROM documents_documentdependency")
    for file in _files(first.media):
        file.unlink()

    assert files
    assert _files(second.media) == files
    assert not _files(first.media)
    assert first.database_url != second.database_url
    assert _number(first, "SELECT count(*) FROM documents_documentdependency") == 0
    assert _number(second, "SELECT count(*) FROM documents_documentdependency") > 0
    assert _number(second, COUNT_DOCUMENTS) >= 5


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_commands_reach_the_installation(engine: Engine, edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory(engine, documents=5)

    edms.manage("reinit")

    assert _number(edms, COUNT_DOCUMENTS) == 0


def test_an_installation_can_be_empty(edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory("sqlite", populate=False)

    assert _number(edms, COUNT_DOCUMENTS) == 0
    assert _number(edms, "SELECT count(*) FROM users_role") > 0


def test_a_failing_command_shows_its_output(edms_factory: ReferenceEdmsFactory) -> None:
    edms = edms_factory("sqlite", populate=False)

    with pytest.raises(AssertionError, match="Unknown command: 'nonsense'"):
        edms.manage("nonsense")


def test_the_settings_file_names_the_installation(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite", populate=False)

    path = edms.settings_file(tmp_path / "edms-backup.toml", tmp_path / "repository", extra="[restore]")
    settings = tomllib.loads(path.read_text(encoding="utf-8"))

    assert settings["edms"]["env"] == edms.env
    assert settings["repository"]["url"] == str(tmp_path / "repository")
    assert settings["workdir"] == str(tmp_path / "work")
    assert settings["restore"] == {}


def _files(media: Path) -> list[Path]:
    return sorted(path for path in media.rglob("*") if path.is_file())


def _execute(edms: ReferenceEdms, statement: str) -> None:
    if edms.engine == "sqlite":
        connection = sqlite3.connect(edms.database_path)
        connection.execute(statement)
        connection.commit()
        connection.close()
    else:
        with psycopg.connect(edms.database_url) as postgres:
            postgres.execute(statement.encode())


def _number(edms: ReferenceEdms, query: str) -> int:
    if edms.engine == "sqlite":
        connection = sqlite3.connect(edms.database_path)
        row = connection.execute(query).fetchone()
        connection.close()
    else:
        with psycopg.connect(edms.database_url) as postgres:
            row = postgres.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])
