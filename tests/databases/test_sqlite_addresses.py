"""A SQLite database is reached under any path: signs that mean something in a URL are part of its name."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import SettingsError
from edms_tasks.validate import validate_restored
from tests.expectations.small_edms import FoundFiles, create, manifest, states

NAMES = ["plain", "a b", "100%", "what?", "no #1", "50%41", "über", "a+b&c=d", "$HOME"]


@pytest.fixture
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / request.param
    folder.mkdir()
    return folder / "edms.sqlite3"


@pytest.mark.parametrize("file", NAMES, indirect=True)
def test_sqlalchemy_opens_the_very_file(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE here (id INTEGER PRIMARY KEY)")

    engine = sa.create_engine(DatabaseAddress("sqlite", str(file)).sqlalchemy_url())
    with engine.connect() as connected:
        tables = connected.execute(sa.text("SELECT name FROM sqlite_master")).scalars().all()
    engine.dispose()

    assert tables == ["here"]


@pytest.mark.parametrize("file", NAMES, indirect=True)
def test_a_url_gives_back_the_address_it_was_made_of(file: Path) -> None:
    address = DatabaseAddress("sqlite", str(file))

    assert DatabaseAddress.from_url(address.url()) == address


@pytest.mark.parametrize("url", ["sqlite:////srv/what?/edms.sqlite3", "sqlite:////srv/no#1.sqlite3"])
def test_a_url_whose_file_would_be_another_one_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="%3F"):
        DatabaseAddress.from_url(url)


@pytest.mark.parametrize("file", ["100%", "what?", "no #1", "$HOME"], indirect=True)
def test_the_validation_reads_the_very_file(file: Path, tmp_path: Path) -> None:
    plain = tmp_path / "made.sqlite3"
    create(f"sqlite:///{plain}")
    plain.rename(file)

    url = DatabaseAddress("sqlite", str(file)).sqlalchemy_url()
    result = validate_restored(manifest(), states(), [FoundFiles()], url, tmp_path / "reports")

    assert result.success
    assert sorted(tmp_path.iterdir()) == sorted([file.parent, tmp_path / "reports"])
