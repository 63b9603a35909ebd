"""Objects whose functions fail or say otherwise by now: the backup says so, the rows come back with all that can be made."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress, open_database
from tests.databases.broken_objects import BREAKS, KINDS, TABLES
from tests.databases.rebuilt import differing
from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_postgres
from tests.newest_postgres_server import newest_server
from tests.postgres_server import PostgresServer

# What becomes of each kind: the finding's subject, and what psql finds in the copy.
NOT_VALID = {
    "check": "check is_good of app.papers",
    "check with a comment": "check is_good of app.papers",
    "check of a partitioned table": "check is_good of app.parts_1",
    "check of parent and child": "check is_good of app.child",
    "domain": "domain app.word in app.of_words",
}
LEFT_OUT = {"exclusion": "index app.once", "unique index": "index app.once", "index": "index app.by_shape"}
UNTOUCHED = ["statistics", "default"]
# A session cannot plan a read of a table under which such an index stands, not even the EDMS's own.
UNREADABLE = ("calls a function that is gone", {*LEFT_OUT, "statistics"})


@pytest.fixture(scope="module", params=["usual", "newest"])
def server(request: pytest.FixtureRequest, postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    if request.param == "usual":
        yield postgres_server
        return
    with newest_server(postgres_server) as newest:
        if newest is None:
            pytest.skip("there is no server of version 18")
        yield newest


@pytest.fixture
def made(server: PostgresServer) -> Iterator[str]:
    name = f"broken_{secrets.token_hex(4)}"
    yield server.create_database(name)
    for database in server.databases():
        if database.startswith(name):
            server.drop_database(database)


def cases(*kinds: str) -> list[tuple[str, str]]:
    return [(kind, how) for kind in kinds for how in BREAKS if not (how == UNREADABLE[0] and kind in UNREADABLE[1])]


@pytest.mark.parametrize(("kind", "how"), cases(*NOT_VALID))
def test_a_check_that_rows_do_not_satisfy_now_comes_back_not_valid_and_is_named_at_the_backup(
    kind: str, how: str, made: str, tmp_path: Path
) -> None:
    _run(made, TABLES, KINDS[kind], BREAKS[how])
    before = picture_of_postgres(made)

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert NOT_VALID[kind] in found
    assert copy.before == copy.after
    assert _rows(before) == _rows(picture_of_postgres(copy.url))
    assert differing(copy.schema, copy.staging, tmp_path) == []
    valid = "SELECT conname, convalidated, obj_description(oid) FROM pg_constraint WHERE conname = 'is_good'"
    assert {(name, not validated, said) for name, validated, said in _ask(made, valid)} == {*_ask(copy.url, valid)}
    # What it is told to run makes it what it was, once the function is good again.
    _run(copy.url, GOOD_AGAIN, *(one.statement for one in copy.staging.left_out if one.statement))
    _run(made, GOOD_AGAIN)
    assert differences(picture_of_postgres(made), picture_of_postgres(copy.url)) == []


GOOD_AGAIN = "CREATE OR REPLACE FUNCTION app.good(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'"


@pytest.mark.parametrize(("kind", "how"), cases(*LEFT_OUT))
def test_an_index_that_cannot_be_built_now_is_left_out_and_named_at_the_backup(
    kind: str, how: str, made: str, tmp_path: Path
) -> None:
    _run(made, TABLES, KINDS[kind], BREAKS[how])
    before = picture_of_postgres(made)
    buildable = kind == "index" and how == "says otherwise"

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert found == ([] if buildable else [LEFT_OUT[kind]])
    assert _rows(before) == _rows(picture_of_postgres(copy.url))
    assert differing(copy.schema, copy.staging, tmp_path) == []
    there = f"SELECT relname FROM pg_class WHERE relname = '{LEFT_OUT[kind].rpartition('.')[2]}'"
    assert _ask(copy.url, there) == (_ask(made, there) if buildable else [])
    assert bool(copy.staging.left_out) != buildable


@pytest.mark.parametrize(("kind", "how"), cases(*UNTOUCHED))
def test_what_is_not_computed_again_comes_back_as_it_was(kind: str, how: str, made: str, tmp_path: Path) -> None:
    _run(made, TABLES, KINDS[kind], BREAKS[how])
    before = picture_of_postgres(made)

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert found == [] and copy.staging.left_out == []
    assert differences(before, picture_of_postgres(copy.url)) == []


def test_a_view_that_refuses_to_be_filled_is_left_empty_and_named(made: str, tmp_path: Path) -> None:
    _run(made, TABLES, KINDS["materialised view"], BREAKS["raises an error"])

    copy = there_and_back(made, tmp_path)

    assert [one.subject for one in copy.staging.left_out] == ["CONTENTS app shapes"]


def test_checks_that_hold_come_back_exactly_and_nothing_is_said(made: str, tmp_path: Path) -> None:
    _run(made, TABLES, *(KINDS[kind] for kind in ("check with a comment", "check of a partitioned table", "domain")))
    _run(
        made,
        """
        SET search_path = app; CREATE TABLE several (a text, at date, CHECK (a <> ''), CONSTRAINT "is Good" CHECK (good(a)) NO INHERIT,
            CHECK (at <= current_date)); INSERT INTO several VALUES ('a', '2020-01-01');
        CREATE TABLE parent (a text, CONSTRAINT everywhere CHECK (good(a)), CONSTRAINT above CHECK (good(a)));
        CREATE TABLE child (CONSTRAINT everywhere CHECK (good(a))) INHERITS (parent); CREATE TABLE grand () INHERITS (child);
        INSERT INTO grand VALUES ('a'); CREATE TYPE two AS (a app.word, b integer); CREATE TABLE of_two (both_of two);
        INSERT INTO of_two VALUES (ROW('a', 1))
        """,
    )
    before = picture_of_postgres(made)

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert found == [] and copy.staging.left_out == [] and copy.staging.notes == []
    assert differences(before, picture_of_postgres(copy.url)) == []


def test_a_check_that_time_has_overtaken_is_one_too(made: str, tmp_path: Path) -> None:
    _run(made, "CREATE TABLE t (until timestamptz, CONSTRAINT open CHECK (until > now()))")
    _run(made, "INSERT INTO t VALUES (now() + interval '10 milliseconds')", "SELECT pg_sleep(0.05)")

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert found == ["check open of public.t"]
    assert copy.before == copy.after
    assert _ask(copy.url, "SELECT convalidated FROM pg_constraint WHERE conname = 'open'") == [(False,)]


def test_what_others_wrote_is_not_run_at_the_backup(made: str, tmp_path: Path) -> None:
    _run(made, TABLES, KINDS["check"], BREAKS["raises an error"])
    role = f"reader_{secrets.token_hex(3)}"
    _run(made, f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'x'")
    try:
        assert _found(f"postgresql://{role}:x@{made.rpartition('@')[2]}", tmp_path) == []
    finally:
        _run(made, f"DROP ROLE {role}")


def _found(url: str, folder: Path) -> list[str]:
    with open_database(DatabaseAddress.from_url(url)).view(folder, 1) as view:
        return [one.subject for one in view.once_true() if one.code == "once-true"]


def _rows(picture: dict[str, object]) -> dict[str, object]:
    return {name: rows for name, rows in picture.items() if name != "schema"}


def _run(url: str, *scripts: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for script in scripts:
            connection.execute(script.encode())


def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()
