"""The zoo, with every field Django has and every awkward table, moved from SQLite to PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from edms_tasks.errors import CheckFailed, IncompatibleRows
from edms_tasks.settings import Settings, settings_from
from tests.conversion.django_values import SCRIPT, heard
from tests.postgres_server import PostgresServer
from tests.running import run_backup, run_restore
from tests.warm_python import edms_python
from tests.zoo.the_zoo import PROJECT

# Two tables without models, and two decimals that SQLite does not hold as Django reads them.
FIX = """
DROP TABLE "Zoo ""stray"" 100%";
DROP TABLE zoo_keyless;
UPDATE zoo_everything SET money = NULL WHERE id IN (2, 5);
"""


@pytest.mark.long
def test_every_compatible_table_of_the_zoo_is_converted(postgres_database: str, tmp_path: Path) -> None:
    path = tmp_path / "zoo.sqlite3"
    settings = _open(f"sqlite:///{path}", tmp_path)
    run_backup(settings)

    with pytest.raises(IncompatibleRows) as refused:
        run_restore(settings, snapshot="latest", into=postgres_database)

    assert [found.get("table", found.get("column")) for found in refused.value.incompatible[2:]] == ["money"]
    assert refused.value.incompatible[2]["rows"] == 2
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FIX)
    run_backup(settings)

    result = run_restore(settings, snapshot="latest", into=postgres_database)

    assert result.success, result.failures
    assert any("zoo.Parcel.folded" in note and "not compared" in note for note in result.notes)
    before, after = (_said(url) for url in (f"sqlite:///{path}", postgres_database))
    assert len(before) > 100
    assert after == before


@pytest.mark.long
def test_a_schema_that_the_other_engine_refuses_is_reported_with_the_edms_message(
    postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    settings = _open(postgres_database, tmp_path)
    run_backup(settings)

    with pytest.raises(CheckFailed, match="EXCLUDE"):
        run_restore(settings, snapshot="latest", into=f"sqlite:///{tmp_path / 'moved.sqlite3'}")

    assert not list(tmp_path.glob("moved*"))


def _open(url: str, folder: Path) -> Settings:
    environment = {"ZOO_DATABASE": url, "ZOO_EXTENSIONS": ""}
    _run([str(PROJECT / "keeper.py"), "fill"], environment)
    return settings_from(
        {
            "edms": {"project": str(PROJECT), "settings": "zoo_settings", "python": edms_python(), "env": environment},
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
            "chunk_rows": 3,
        },
        where=folder / "edms-backup.toml",
    )


def _said(url: str) -> list[list[str]]:
    begin = "import django; django.setup()\n"
    environment = {"ZOO_DATABASE": url, "DJANGO_SETTINGS_MODULE": "zoo_settings", "PYTHONPATH": str(PROJECT)}
    return heard(_run(["-c", begin + SCRIPT], environment))


def _run(arguments: list[str], environment: dict[str, str]) -> str:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DJANGO_SETTINGS_MODULE")}
    done = subprocess.run(
        [edms_python(), *arguments], env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout
