"""A drill restores beside the live system, proves, tries, measures, and leaves nothing but evidence."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from edms_tasks.drill_settings import DrillSettings
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings
from flows.drill import DrillResult, drill
from flows.requests import DrillRequest
from flows.running.run import Run
from flows.status import read_status
from tests.backed_up import BackedUpSystems
from tests.reference_system import Engine, ReferenceEdms
from tests.running import Protected
from tests.warm_python import edms_python

_WRITES = """# writes a row and a file
from django.core.files.base import ContentFile
from django.db import connection
from django.contrib.auth import get_user_model
from documents.models import Document
from django.core.files.storage import default_storage

get_user_model().objects.create(username="made-by-the-drill")
print("file", default_storage.path(default_storage.save("made-by-the-drill.txt", ContentFile(b"x"))))
print("database", connection.settings_dict["NAME"])

import os, subprocess, sys
child = "import os; print('child', os.environ['REFERENCE_EDMS_DATABASE'], os.environ['REFERENCE_EDMS_MEDIA'])"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True).stdout)
"""


def run_drill(protected: Protected, *, settings: dict[str, Any] | None = None, **request: Any) -> DrillResult:
    return drill.fn(Run(with_drill(protected, **(settings or {}))), DrillRequest(**request))


def with_drill(protected: Protected, **values: Any) -> Settings:
    return protected.settings.model_copy(update={"drill": DrillSettings(**values)})


def users(edms: ReferenceEdms) -> set[str]:
    query = "SELECT username FROM users_user"
    if edms.engine == "sqlite":
        with closing(sqlite3.connect(edms.database_path)) as connection:
            return {name for (name,) in connection.execute(query)}
    with psycopg.connect(edms.database_url) as server:
        return {name for (name,) in server.execute(query)}


def drill_databases(edms: ReferenceEdms) -> list[str]:
    if edms.engine == "sqlite":
        return []
    with psycopg.connect(edms.database_url) as server:
        return [name for (name,) in server.execute("SELECT datname FROM pg_database WHERE datname LIKE 'edms_drill_%'")]


def left_in(protected: Protected) -> list[str]:
    """What stands beside the live files, and in the work folder, that was not there for good."""
    work = protected.settings.workdir
    beside = [path.name for path in protected.edms.media.parent.iterdir()]
    known = {"media", "edms.sqlite3"}
    return sorted({name for name in beside if not name.endswith(".lock")} - known) + sorted(
        path.name for path in work.glob("edms-drill-*")
    )


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_command_that_writes_writes_to_the_copy_and_nothing_of_it_is_left(
    engine: Engine, backed_up: BackedUpSystems
) -> None:
    protected = backed_up(engine).protected
    before, files = users(protected.edms), sorted(protected.edms.media.rglob("*"))
    beside = left_in(protected)

    result = run_drill(protected, settings={"commands": ("check", ("-c", _WRITES))})

    assert result.problems == ()
    check, writing = result.restored.drill.commands  # type: ignore[union-attr]
    assert (check.name, writing.name) == ("check", "writes a row and a file")
    said = dict(line.split(" ", 1) for line in writing.output.splitlines() if line)
    database, media = said["child"].split()
    assert "edms_drill_" in database and database != protected.edms.database_url
    assert Path(media).is_relative_to(protected.settings.workdir)
    assert Path(said["database"]).name.startswith("edms_drill_")
    assert str(protected.settings.workdir) in said["file"]
    assert not Path(said["file"]).exists()
    assert users(protected.edms) == before
    assert sorted(protected.edms.media.rglob("*")) == files
    assert drill_databases(protected.edms) == []
    assert left_in(protected) == beside


def test_a_drill_leaves_a_report_an_entry_and_a_proof(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite").protected
    snapshot = backed_up("sqlite").first.snapshot_id

    result = run_drill(protected, settings={"commands": ("check",), "rto": "1h", "rpo": "26h"})

    report = json.loads(result.restored.report_json.read_text(encoding="utf-8"))
    assert report["drill"]["passed"] is True
    assert report["drill"]["rto"]["met"] is True
    assert [one["name"] for one in report["drill"]["commands"]] == ["check"]
    assert "DRILL PASSED" in result.restored.report_html.read_text(encoding="utf-8")
    repository = Repository.open(protected.settings.repository)
    entry = next(repository.log.backwards())
    assert (entry.event, entry.outcome, entry.snapshot) == ("drill", "success", snapshot)
    assert entry.facts["rto_seconds"] > 0
    status = read_status(protected.settings)
    assert status.proved is not None
    assert status.proved.snapshot == snapshot


@pytest.mark.long  # of a restore, in inventory/test_remote_edms
def test_an_edms_elsewhere_sees_the_copy_under_the_paths_that_it_has_there(
    backed_up: BackedUpSystems, tmp_path: Path
) -> None:
    protected = backed_up("sqlite").protected
    here, there = tmp_path / "drills", tmp_path / "as-the-edms-sees-it"
    here.mkdir()
    there.symlink_to(here)
    settings = with_drill(protected, commands=(("-c", _WRITES),), folder=here, folder_in_edms=str(there), rto="1h")
    edms = settings.edms.model_copy(
        update={
            "python": None,
            "command": (edms_python(),),
            "database_url": SecretStr(f"sqlite:///{protected.edms.database_path}"),
        }
    )
    files = settings.files.model_copy(update={"roots": {"media": protected.edms.media}})
    before = users(protected.edms)

    result = drill.fn(Run(settings.model_copy(update={"edms": edms, "files": files})), DrillRequest())

    assert result.problems == ()
    said = dict(line.split(" ", 1) for line in result.restored.drill.commands[0].output.splitlines())  # type: ignore[union-attr]
    assert said["database"].startswith(f"{there}/edms-drill-")
    assert said["file"].startswith(f"{there}/edms-drill-")
    assert users(protected.edms) == before
    assert list(here.iterdir()) == []
