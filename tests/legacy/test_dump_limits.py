"""A dump that takes too long or too much is ended within its limits, by name, and leaves nothing; so is one whose run is stopped."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import DumpForm, DumpLimits, examine_dump, restored_dump
from edms_tasks.errors import DumpLimitReached
from tests.legacy.dumps_of import dump_of, pg_dump
from tests.postgres_server import PostgresServer

_BEGINS = (
    "--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\nCREATE TABLE public.t (n bigint, text text);\n"
)
_ENDS = "--\n-- PostgreSQL database dump complete\n--\n"
_ROWS = "COPY public.t (n) FROM stdin;\n1\n2\n\\.\n"
_FOR_EVER = "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} RETURN NEW; END $$;\n"
_FIRED = "CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f();\n"
_BIG = "repeat(md5(g::text), 300)"
HOSTILE = {
    "a view that sleeps": "CREATE MATERIALIZED VIEW public.v AS SELECT count(pg_sleep(1e8)) AS x;\n",
    "a trigger that loops": _FOR_EVER.format("LOOP PERFORM 1; END LOOP;") + _FIRED + _ROWS,
    "a trigger that sleeps while rows are sent": _FOR_EVER.format("PERFORM pg_sleep(1e8);")
    + _FIRED
    + "COPY public.t (n) FROM stdin;\n"
    + "7777777\n" * 2_000_000
    + "\\.\n",
    "a constraint that sleeps": "CREATE FUNCTION public.s(bigint) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM "
    "pg_sleep(1e8); RETURN true; END $$;\n" + _ROWS + "ALTER TABLE public.t ADD CHECK (public.s(n));\n",
}
# Before rows are read, and while they are sent; the others are for `make test-long`.
ALWAYS = ("a view that sleeps", "a trigger that sleeps while rows are sent")
ENDLESS = {
    "a view without end": f"CREATE MATERIALIZED VIEW public.v AS SELECT g, {_BIG} AS x FROM generate_series(1, 1000000000) g;\n",
    "a trigger that inserts": _FOR_EVER.format(
        f"IF pg_trigger_depth() < 2 THEN INSERT INTO public.t SELECT g, {_BIG} FROM generate_series(1, 1000000000) g; END IF;"
    )
    + _FIRED
    + _ROWS,
}


@pytest.fixture
def nothing_left(postgres_server: PostgresServer) -> Iterator[None]:
    """Databases, roles and sessions are as they were."""
    before = _there(postgres_server)
    yield
    assert _there(postgres_server) == before


def _there(server: PostgresServer) -> set[str]:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles UNION ALL "
            "SELECT usename || ' works' FROM pg_stat_activity WHERE usename LIKE 'edms%'"
        )
        return {str(name) for (name,) in rows}


def _restore(path: Path, form: DumpForm, limits: DumpLimits, url: str = "") -> float:
    """Restore a dump that reaches a limit; returns the seconds until it was said."""
    dump = replace(dump_of(path, form), limits=limits)
    began = time.monotonic()
    with (
        pytest.raises(DumpLimitReached) as reached,
        restored_dump(dump, DatabaseAddress.from_url(url) if url else None, path.parent),
    ):
        pass
    assert str(path) in reached.value.where
    assert "convert." in reached.value.fix
    return time.monotonic() - began


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    "what", [pytest.param(what, marks=[] if what in ALWAYS else [pytest.mark.long]) for what in HOSTILE]
)
def test_statements_without_end_are_ended(what: str, postgres_database: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.sql"
    path.write_text(_BEGINS + HOSTILE[what] + _ENDS)

    assert _restore(path, "pg_dump-plain", DumpLimits(seconds=1), postgres_database) < 60


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("what", ENDLESS)
def test_rows_without_end_are_ended(what: str, postgres_database: str, tmp_path: Path) -> None:
    path = tmp_path / "endless.sql"
    path.write_text(_BEGINS + ENDLESS[what] + _ENDS)

    # Half the time would be enough for gigabytes: it is the size that ends it.
    assert _restore(path, "pg_dump-plain", DumpLimits(seconds=300, size=48 << 20), postgres_database) < 120


@pytest.mark.usefixtures("nothing_left")
def test_a_trigger_that_calls_itself_costs_its_rows_alone(postgres_database: str, tmp_path: Path) -> None:
    path = tmp_path / "recursive.sql"
    inserts = f"INSERT INTO public.t SELECT g, {_BIG} FROM generate_series(1, 1000) g;"
    path.write_text(_BEGINS + _FOR_EVER.format(inserts) + _FIRED + _ROWS + _ENDS)
    dump = replace(dump_of(path, "pg_dump-plain"), limits=DumpLimits(seconds=60, size=1 << 30))

    with restored_dump(dump, DatabaseAddress.from_url(postgres_database), tmp_path) as restored:
        (refused,) = [one for one in restored.findings if one.code == "dump-rows-refused"]

    assert (refused.subject, refused.count) == ("public.t", 2)


@pytest.mark.usefixtures("nothing_left")
def test_an_archive_is_ended_too(postgres_database: str, postgres_server: PostgresServer, tmp_path: Path) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE TABLE t AS SELECT g FROM generate_series(1, 100000) g")
    path = pg_dump(postgres_server, postgres_database, tmp_path / "t.dump", "--format=custom")

    _restore(path, "pg_dump-custom", DumpLimits(size=1 << 20), postgres_database)


_SQLITE = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(n, x);\n"
_COUNT = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
SQLITE_WITHOUT_END = {
    "an insert": f"INSERT INTO t SELECT count(*), 1 FROM ({_COUNT} SELECT n FROM c);\n",
}
SQLITE_TOO_LARGE = {
    "an insert": f"INSERT INTO t SELECT n, zeroblob(10000) FROM ({_COUNT} SELECT n FROM c);\n",
    "many rows": "INSERT INTO t VALUES(1, zeroblob(1000000));\n" * 100,
}


@pytest.mark.parametrize("what", SQLITE_WITHOUT_END)
def test_a_text_of_sqlite_is_ended(what: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    path.write_text(f"{_SQLITE}{SQLITE_WITHOUT_END[what]}COMMIT;\n")

    assert _restore(path, "sqlite-text", DumpLimits(seconds=1)) < 30
    assert [one.name for one in tmp_path.iterdir()] == ["dump.sql"]


def test_a_trigger_of_sqlite_is_made_and_never_fires(tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    fired = f"DELETE FROM t WHERE n = (SELECT max(n) FROM ({_COUNT} SELECT n FROM c));"
    path.write_text(
        f"{_SQLITE}CREATE TRIGGER g AFTER INSERT ON t BEGIN {fired} END;\nINSERT INTO t VALUES(1, 2);\nCOMMIT;\n"
    )
    dump = replace(dump_of(path, "sqlite-text"), limits=DumpLimits(seconds=5))

    with (
        restored_dump(dump, None, tmp_path) as restored,
        closing(sqlite3.connect(restored.address.name)) as connection,
    ):
        assert connection.execute("SELECT n, x FROM t").fetchall() == [(1, 2)]
        assert connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall() == [("g",)]


@pytest.mark.parametrize("what", SQLITE_TOO_LARGE)
def test_a_text_of_sqlite_takes_no_more_room_than_it_may(what: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.sql"
    path.write_text(f"{_SQLITE}{SQLITE_TOO_LARGE[what]}COMMIT;\n")

    assert _restore(path, "sqlite-text", DumpLimits(seconds=300, size=16 << 20)) < 60
    assert [one.name for one in tmp_path.iterdir()] == ["dump.sql"]


@pytest.mark.long
def test_a_file_of_sqlite_is_checked_within_its_time(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (n, CHECK (length(hex(zeroblob(200000 + n))) > n))")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(50000)])
        connection.commit()
    dump = replace(dump_of(path, "sqlite-file"), limits=DumpLimits(seconds=1))
    began = time.monotonic()

    with pytest.raises(DumpLimitReached):
        examine_dump(dump)

    assert time.monotonic() - began < 60


_STOPPED = """
import signal
import sys
from pathlib import Path
from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.dumps import restored_dump
from flows.running.stopping import Stopped, exit_code_of, handle_signals
from tests.legacy.dumps_of import dump_of

for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)  # a shell starts what is in the background with Ctrl-C ignored
handle_signals()
path, form, url = sys.argv[1:]
try:
    with restored_dump(dump_of(Path(path), form), DatabaseAddress.from_url(url) if url else None, Path(path).parent):
        pass
except Stopped as stopped:
    sys.exit(exit_code_of(stopped))
"""


@pytest.mark.long
@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("form", "number"),
    [
        ("pg_dump-plain", signal.SIGTERM),
        ("sqlite-text", signal.SIGINT),
        pytest.param("pg_dump-plain", signal.SIGINT, marks=pytest.mark.long),
        pytest.param("sqlite-text", signal.SIGTERM, marks=pytest.mark.long),
    ],
)
def test_a_signal_ends_it_and_removes_all_at_once(
    number: signal.Signals, form: DumpForm, postgres_database: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    path = tmp_path / "dump.sql"
    if form == "pg_dump-plain":
        path.write_text(_BEGINS + HOSTILE["a view that sleeps"] + _ENDS)
    else:
        path.write_text(f"{_SQLITE}{SQLITE_WITHOUT_END['an insert']}COMMIT;\n")
    words = [sys.executable, "-c", _STOPPED, str(path), form, postgres_database if form == "pg_dump-plain" else ""]
    with subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}) as run:
        try:
            until = time.monotonic() + 60
            while not _has_begun(form, postgres_server, tmp_path) and time.monotonic() < until:
                time.sleep(0.1)
            time.sleep(0.5)
            run.send_signal(number)
            code = run.wait(30)
        finally:
            run.kill()

    assert code == 128 + number
    assert [one.name for one in tmp_path.iterdir()] == ["dump.sql"]


def _has_begun(form: DumpForm, server: PostgresServer, folder: Path) -> bool:
    if form == "sqlite-text":
        return (folder / "dump.sqlite3").exists()
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT query FROM pg_stat_activity WHERE usename LIKE 'edms_dump_%' AND state = 'active'"
        )
        return any(re.search("VIEW", str(query)) for (query,) in rows)
