"""What the plan of a restore says is what the restore then does, by Django's own account; and a plan writes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from edms_tasks.errors import IncompatibleRows, TargetExists
from flows.restore_plan import RestorePlan
from tests.backed_up import BackedUpSystems
from tests.comparing.changed_system import changed, counts_of
from tests.comparing.django_rows import compared, rows_by_django
from tests.independent_comparison import differences, picture, picture_of_files
from tests.postgres_server import PostgresServer
from tests.reference_system import Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected, protect, run_restore_plan

pytestmark = pytest.mark.slow

_WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode = wal")
connection.execute("UPDATE documents_document SET title = 'in the log'")
connection.commit()
print("written", flush=True)
sys.stdin.read()
"""


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_the_plan_is_what_the_restore_then_does(
    engine: Engine, edms_factory: ReferenceEdmsFactory, tmp_path: Path
) -> None:
    made = changed(edms_factory(engine, documents=12), tmp_path, extra='[exclude]\nfiles = ["thumbs/*"]\n')
    (made.edms.media / "thumbs").mkdir()
    (made.edms.media / "thumbs" / "left out of backups.png").write_bytes(b"goes")
    now, before = rows_by_django(made.edms), picture(made.edms)
    files_now = picture_of_files(made.edms.media)
    around = surroundings(made.protected)

    planned = plan(made.protected, made.snapshot)

    assert differences(before, picture(made.edms)) == []
    assert surroundings(made.protected) == around
    assert planned.report is not None and json.loads(planned.report.with_suffix(".json").read_text())["plan"]

    made.protected.restore(made.snapshot)

    files_then = picture_of_files(made.edms.media)
    assert counts_of(planned.difference) == compared(now, rows_by_django(made.edms)) != {}
    (root,) = planned.difference.files
    assert {(path.change, path.path) for path in root.paths} == {
        *(("added", path) for path in files_then.keys() - files_now.keys()),
        *(("removed", path) for path in files_now.keys() - files_then.keys()),
        *(("changed", path) for path in files_now.keys() & files_then.keys() if files_now[path] != files_then[path]),
    }
    assert ("removed", "thumbs/left out of backups.png") in {(path.change, path.path) for path in root.paths}
    assert plan(made.protected, made.snapshot).difference.equal


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_the_plan_for_an_empty_system_restores_everything(
    engine: Engine, backed_up: BackedUpSystems, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    system = backed_up(engine)
    protected, rows = system.protected, system.first.manifest.rows
    edms = protected.edms
    files = sum(path.is_file() for path in edms.media.rglob("*"))

    beside = plan(protected, into=str(tmp_path / "copy") if engine == "sqlite" else "plan_of_a_copy").difference
    assert (sum(table.rows for table in beside.only_second), beside.tables) == (rows, ())
    assert [(root.added, root.removed) for root in beside.files] == [(files, 0)]

    if engine == "sqlite":
        edms.database_path.unlink()
    else:
        request.getfixturevalue("postgres_server").drop_database(edms.database_name)
    shutil.rmtree(edms.media)
    lost = plan(protected)
    assert "not there" in lost.target
    assert (sum(table.rows for table in lost.difference.only_second), lost.difference.tables) == (rows, ())
    assert [(root.added, root.removed) for root in lost.difference.files] == [(files, 0)]
    assert not edms.media.exists()


@pytest.mark.long
def test_a_live_file_that_is_damaged_or_has_a_log_is_left_as_it_is(backed_up: BackedUpSystems) -> None:
    protected = backed_up("sqlite", documents=5).protected
    edms = protected.edms
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(edms.database_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None and writer.stdout.readline() == b"written\n"
    before = seen_from_outside(edms)
    changes = plan(protected).difference.tables[0].columns
    after = seen_from_outside(edms)
    writer.communicate()
    assert changes == {"title": 5}
    assert len(before) == 2
    assert after == before

    edms.database_path.write_bytes(b"no database at all" * 100)
    lost = plan(protected)
    assert "cannot be read" in lost.target
    assert sum(table.rows for table in lost.difference.only_second) > 100


def seen_from_outside(edms: ReferenceEdms) -> dict[str, tuple[int, int]]:
    """Database and log: size and time. Whoever opened and closed them in this process would drop its locks on them."""
    paths = [Path(f"{edms.database_path}{end}") for end in ("", "-wal")]
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.exists()}


@pytest.mark.long
def test_the_plan_names_what_would_stop_the_restore(
    backed_up: BackedUpSystems, postgres_server: PostgresServer
) -> None:
    protected = backed_up("postgresql").protected
    edms = protected.edms

    with psycopg.connect(edms.database_url):
        assert "in use" in (plan(protected).in_use or "")
    assert plan(protected).in_use is None

    url = postgres_server.create_database("plan_not_empty")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE mine (id int)")
    with pytest.raises(TargetExists):
        plan(protected, into="plan_not_empty")


@pytest.mark.long  # the same refusal as in test_across_engines, from a plan
def test_the_plan_names_incompatible_rows_and_leaves_no_database(
    edms_factory: ReferenceEdmsFactory, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    edms = edms_factory("sqlite")
    protected = protect(edms, tmp_path)
    url = f"{postgres_server.url('plan_of_a_move')}"
    databases = postgres_server.databases()
    execute(edms, "UPDATE documents_document SET cost = NULL")
    protected.backup()
    assert sum(table.rows for table in plan(protected, into=url).difference.only_second) > 0

    execute(
        edms,
        "UPDATE documents_document SET title = 'with a ' || char(0) WHERE number = (SELECT min(number) FROM documents_document)",
    )
    protected.backup()
    with pytest.raises(IncompatibleRows, match=r"documents\.Document .* title contains a NUL character"):
        plan(protected, into=url)
    assert postgres_server.databases() == databases


def execute(edms: ReferenceEdms, statement: str) -> None:
    with closing(sqlite3.connect(edms.database_path)) as connection, connection:
        connection.execute(statement)


def plan(protected: Protected, snapshot: str = "latest", into: str | None = None) -> RestorePlan:
    return run_restore_plan(protected.settings, snapshot=snapshot, into=into, limit=100)


def surroundings(protected: Protected) -> set[str]:
    """All that lies beside the EDMS's database and files, the product's own folder aside."""
    media = protected.edms.media
    beside = {str(path) for path in media.parent.iterdir()}
    if protected.edms.engine == "sqlite":
        return beside | {str(path) for path in protected.edms.database_path.parent.iterdir()}
    with psycopg.connect(protected.edms.database_url) as connection:
        return beside | {str(name) for (name,) in connection.execute("SELECT datname FROM pg_database")}
