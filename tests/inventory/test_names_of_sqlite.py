"""The file that a NAME of SQLite means, which may be a URI: what SQLite itself opens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.errors import UnsupportedEngine
from edms_tasks.inventory.probe import make_read_only, path_of_sqlite
from edms_tasks.inventory.probe_report import ProbeDatabase

NAMES = [
    "plain.db",
    "file:plain.db",
    "file:a%20b%23.db?cache=shared",
    "file:./x.db#part",
    "file:y.db?mode=rwc&nolock=1",
]


@pytest.mark.parametrize("name", [*NAMES, "file://{folder}/z.db", "file://localhost{folder}/%C3%BC.db?cache=private"])
def test_it_is_the_file_that_sqlite_opens(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = name.replace("{folder}", str(tmp_path))

    with closing(sqlite3.connect(name, uri=True)) as opened:
        opened.execute("CREATE TABLE t (a)")
        ((_, _, file),) = opened.execute("PRAGMA database_list").fetchall()

    assert Path(path_of_sqlite(name)).absolute() == Path(file)


@pytest.mark.parametrize("name", [":memory:", "file::memory:?cache=shared", "file:x?cache=shared&mode=memory", "file:"])
def test_a_database_in_memory_is_refused_by_name(name: str) -> None:
    assert path_of_sqlite(name) == ""
    database = ProbeDatabase.model_construct(alias="default", vendor="sqlite", name=name, options={})
    with pytest.raises(UnsupportedEngine, match="in memory"):
        DatabaseAddress.from_probe(database)


def test_a_database_named_by_a_uri_can_be_made_read_only(tmp_path: Path) -> None:
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"file:{tmp_path}/other.db?cache=shared"}
    with closing(sqlite3.connect(str(settings["NAME"]), uri=True)) as opened:
        opened.execute("CREATE TABLE t (a)")

    make_read_only(settings)

    with (
        closing(sqlite3.connect(str(settings["NAME"]), uri=True)) as opened,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        opened.execute("INSERT INTO t VALUES (1)")
