"""Objects whose functions fail or say otherwise by now: the backup says so, the rows come back with all that can be made."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from _pytest.mark import ParameterSet

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import TerminalError
from edms_tasks.inventory.model import Finding
from tests.databases.broken_objects import BREAKS, KINDS, TABLES
from tests.databases.rebuilt import differing, roles
from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_postgres
from tests.newest_postgres_server import newest_server
from tests.postgres_server import PostgresServer, as_role

# What becomes of each kind: the finding's subject, and what psql finds in the copy.
NOT_VALID = {
    "check": "check is_good of app.papers",
    "check with a comment": "check is_good of app.papers",
    "check of a partitioned table": "check is_good of app.parts_1",
    "check of parent and child": "check is_good of app.child",
    "domain": "domain app.word in app.of_words",
}
LEFT_OUT = {"exclusion": "index app.once", "unique index": "index app.once", "index": "index app.by_shape"}
AS_WRITTEN = {"generated column": "generated column computed of app.papers", "partition key": "partition app.parts_a"}
UNTOUCHED = ["statistics", "default"]
# A session cannot plan a read of a table under which such an index stands, not even the EDMS's own.
BREAKS_OF_EACH = ("names a table that is gone", "says otherwise")
UNREADABLE = ("calls a function that is gone", {*LEFT_OUT, "statistics"})


@pytest.fixture(scope="module", params=["usual", pytest.param("newest", marks=pytest.mark.long)])
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


@pytest.fixture
def made_by_a_role(server: PostgresServer) -> Iterator[str]:
    """A database of a role that may create databases and no more."""
    name, role = (f"broken_{secrets.token_hex(4)}" for _ in range(2))
    with roles(server.url(), f"{role} LOGIN CREATEDB PASSWORD 'x'"):
        login = f"{role}:x"
        _run(as_role(server.url(), login), f"CREATE DATABASE {name} TEMPLATE template0")
        yield as_role(server.url(name), login)
        for database in server.databases():
            if database.startswith(name):
                server.drop_database(database)


def cases(*kinds: str) -> list[ParameterSet]:
    """Each kind broken in one way, all ways by turns; the other pairs are for `make test-long`."""
    usual = {kind: BREAKS_OF_EACH[number % 2] for number, kind in enumerate(kinds)}
    return [
        pytest.param(kind, how, marks=[] if how == usual[kind] else [pytest.mark.long])
        for kind in kinds
        for how in BREAKS
        if not (how == UNREADABLE[0] and kind in UNREADABLE[1])
    ]


@pytest.mark.parametrize(("kind", "how"), cases(*NOT_VALID))
def test_a_check_that_rows_violate_is_restored_not_valid_and_named_at_the_backup(
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


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize(("kind", "how"), cases(*AS_WRITTEN))
def test_a_superuser_restores_computed_values_as_they_were_written(
    kind: str, how: str, made: str, tmp_path: Path
) -> None:
    _run(made, TABLES, KINDS[kind], BREAKS[how])
    before, computed = picture_of_postgres(made), _ask(made, PAPERS)

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert AS_WRITTEN[kind] in found
    assert copy.before == copy.after and copy.staging.left_out == []
    assert differences(before, picture_of_postgres(copy.url)) == []
    assert _ask(copy.url, PAPERS) == computed


@pytest.mark.long
@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[] if how in BREAKS_OF_EACH else [pytest.mark.long]) for how in BREAKS]
)
def test_another_role_restores_computed_values_in_a_plain_column_and_is_told_at_the_backup(
    how: str, made_by_a_role: str, tmp_path: Path
) -> None:
    _run(made_by_a_role, TABLES, KINDS["generated column"], TREE, BREAKS[how])
    rows = [_ask(made_by_a_role, query) for query in (PAPERS, PARENT)]

    (*found,) = _findings(made_by_a_role, tmp_path)
    copy = there_and_back(made_by_a_role, tmp_path)

    assert {one.subject for one in found if "plain column" in one.message} >= {
        "generated column computed of app.papers",
        "generated column computed of app.child",
    }
    assert copy.before == copy.after
    assert [_ask(copy.url, query) for query in (PAPERS, PARENT)] == rows
    assert differing(copy.schema, copy.staging, tmp_path) == []
    assert {one.subject for one in copy.staging.left_out} == {
        f"TABLE app {name}" for name in ("papers", "parent", "leaf", "tree")
    }
    assert _ask(copy.url, COMPUTED) == [(0,)]
    # What it is told to run makes it what it was, but for the column's place, once the function is good again.
    _run(copy.url, SHAPE_AGAIN, *(one.statement for one in copy.staging.left_out if one.statement))
    assert sorted(_ask(copy.url, "SELECT id, title, computed FROM app.papers")) == [
        (1, "a", "A"),
        (2, "b", "B"),
        (3, "c", "C"),
    ]
    assert _ask(copy.url, COMPUTED) == _ask(made_by_a_role, COMPUTED)


def test_rows_that_belong_to_no_partition_any_more_refuse_a_restore_by_another_role(
    made_by_a_role: str, tmp_path: Path
) -> None:
    _run(made_by_a_role, TABLES, KINDS["partition key"], BREAKS["says otherwise"])

    (found,) = _findings(made_by_a_role, tmp_path)
    with pytest.raises(TerminalError) as refused:
        there_and_back(made_by_a_role, tmp_path)

    assert (found.subject, found.severity) == ("partition app.parts_a", "error")
    assert "superuser" in found.message and "superuser" in refused.value.fix and "parts_a" in refused.value.what


@pytest.mark.long
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("whose", ["made", "made_by_a_role"])
def test_columns_that_read_other_tables_are_computed_after_these_are_loaded(
    whose: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue(whose)
    _run(url, READS_A_TABLE)
    before, rows = picture_of_postgres(url), _ask(url, "SELECT * FROM app.above ORDER BY 1")

    found, copy = _found(url, tmp_path), there_and_back(url, tmp_path)

    assert found == [] and copy.staging.left_out == [] and copy.staging.notes == []
    assert copy.before == copy.after
    assert differences(before, picture_of_postgres(copy.url)) == []
    assert _ask(copy.url, "SELECT * FROM app.above ORDER BY 1") == rows


COMPUTED = "SELECT count(*) FROM pg_attribute WHERE attgenerated <> ''"
PAPERS = "SELECT * FROM app.papers ORDER BY id"
PARENT = "SELECT tableoid::regclass::text, id, computed FROM app.parent ORDER BY id"
SHAPE_AGAIN = "CREATE OR REPLACE FUNCTION app.shape(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT upper($1)'"
# Generated columns that tables inherit, in both ways.
TREE = """
    CREATE TABLE parent (id integer, title text, "odd ""Name" text GENERATED ALWAYS AS (shape(title)) STORED, computed text
        GENERATED ALWAYS AS (CASE WHEN id > 1 THEN shape(title) ELSE ') STORED' END) STORED);
    CREATE TABLE child (more integer) INHERITS (parent); INSERT INTO child VALUES (1, 'a'), (2, 'b');
    CREATE TABLE tree (id integer, title text, computed text GENERATED ALWAYS AS (shape(title)) STORED) PARTITION BY RANGE (id);
    CREATE TABLE leaf PARTITION OF tree DEFAULT; INSERT INTO tree VALUES (1, 'a')
"""
READS_A_TABLE = """
    CREATE SCHEMA app; SET search_path = app, public;
    CREATE TABLE zz (word text PRIMARY KEY, other text); INSERT INTO zz VALUES ('a', 'x'), ('b', 'y');
    CREATE FUNCTION looked_up(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$ DECLARE found text; BEGIN SELECT other INTO STRICT found FROM app.zz WHERE word = $1; RETURN found; END $$;
    CREATE TABLE above (id integer, title text, computed text NOT NULL GENERATED ALWAYS AS (looked_up(title)) STORED)
        PARTITION BY LIST (looked_up(title));
    CREATE TABLE aa PARTITION OF above FOR VALUES IN ('x'); CREATE TABLE ab PARTITION OF above FOR VALUES IN ('y', 'z');
    INSERT INTO above VALUES (1, 'a'), (2, 'b'), (3, 'a'); CREATE INDEX by_it ON above (computed);
    CREATE VIEW v AS SELECT computed FROM above
"""


@pytest.mark.parametrize(
    ("kind", "is_empty"),
    [
        pytest.param(
            kind, is_empty, id=f"{kind}-{rows}", marks=[pytest.mark.long] if is_empty and kind != "index" else []
        )
        for kind in sorted(UNREADABLE[1])
        for is_empty, rows in ((False, "with rows"), (True, "without rows"))
    ],
)
def test_a_table_that_no_query_can_read_is_read_by_copy_and_restored_without_the_obstacle(
    kind: str, is_empty: bool, made: str, tmp_path: Path
) -> None:
    _run(
        made, TABLES, VALUES, "TRUNCATE app.papers" if is_empty else "SELECT 1", f"SET search_path = app; {KINDS[kind]}"
    )
    before = picture_of_postgres(made)
    _run(made, BREAKS[UNREADABLE[0]])
    with pytest.raises(psycopg.Error, match="gone"):
        _ask(made, PAPERS)

    with open_database(DatabaseAddress.from_url(made)).view(tmp_path, 1) as view:
        found = {(one.code, one.subject.rpartition(".")[2]) for one in (*view.findings(), *view.violated_constraints())}
    copy = there_and_back(made, tmp_path)

    hindering = LEFT_OUT.get(kind, "statistics app.of_titles").rpartition(".")[2]
    assert found == {("table-cannot-be-read", hindering)}
    assert _rows(before) == _rows(picture_of_postgres(copy.url))
    assert copy.before == copy.after
    assert differing(copy.schema, copy.staging, tmp_path) == []
    assert hindering in copy.staging.left_out[0].subject and len(copy.staging.left_out) == 1
    assert _ask(copy.url, "SELECT count(*) FROM app.papers") == [(0 if is_empty else 8,)]


VALUES = r"""
    ALTER TABLE app.papers ADD b boolean, ADD i smallint, ADD l bigint, ADD f real, ADD d double precision, ADD n numeric, ADD raw bytea,
        ADD day date, ADD at timestamp, ADD moment timestamptz, ADD late date, ADD many text[], ADD kind regclass, ADD note varchar(40);
    INSERT INTO app.papers (id, title, b, i, l, f, d, n, raw, day, at, moment, late, many, kind, note) VALUES
        (4, '', true, -32768, 9223372036854775807, 'NaN', '-Infinity', 'NaN', '\x00ff', '0001-01-02', '9999-12-30 00:00:00',
         '2020-02-29 23:59:59.999999+05:45', 'infinity', ARRAY['a,b', NULL, '"\'], 'app.words', ''),
        (5, E'tab\there \\ line\nbreak', false, 0, 0, 1.1, 1e-300, 0.10, '', '2020-01-01', '2020-01-01 00:00:00.5', '1970-01-01 00:00Z',
         '0044-03-15 BC', '{}', NULL, '\N'), (6, 'NULL', NULL, 1, -1, 16777217, 0.1, -1e40, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
        (7, 'é', NULL, 1, -1, 3.4028235e38, 5e-324, 1, NULL, '9999-12-30', '0001-01-02', NULL, '10000-01-01', NULL, NULL, '\.'),
        (8, 'z', NULL, 1, -1, 1e-45, 1.7976931348623157e308, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""


@pytest.mark.long
@pytest.mark.parametrize(("kind", "how"), cases(*UNTOUCHED))
def test_values_that_are_not_computed_again_are_restored_unchanged(
    kind: str, how: str, made: str, tmp_path: Path
) -> None:
    _run(made, TABLES, KINDS[kind], BREAKS[how])
    before = picture_of_postgres(made)

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert found == [] and copy.staging.left_out == []
    assert differences(before, picture_of_postgres(copy.url)) == []


def test_a_view_that_refuses_to_be_filled_is_left_empty_and_named(made: str, tmp_path: Path) -> None:
    _run(made, TABLES, KINDS["materialised view"], BREAKS["raises an error"])

    copy = there_and_back(made, tmp_path)

    assert [one.subject for one in copy.staging.left_out] == ["CONTENTS app shapes"]


@pytest.mark.long
def test_satisfied_checks_are_restored_exactly_without_a_note(made: str, tmp_path: Path) -> None:
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


def test_a_check_on_the_current_time_counts_as_doubtful(made: str, tmp_path: Path) -> None:
    _run(made, "CREATE TABLE t (until timestamptz, CONSTRAINT open CHECK (until > now()))")
    _run(made, "INSERT INTO t VALUES (now() + interval '10 milliseconds')", "SELECT pg_sleep(0.05)")

    found, copy = _found(made, tmp_path), there_and_back(made, tmp_path)

    assert found == ["check open of public.t"]
    assert copy.before == copy.after
    assert _ask(copy.url, "SELECT convalidated FROM pg_constraint WHERE conname = 'open'") == [(False,)]


def test_functions_of_other_roles_are_not_run_at_the_backup(made: str, tmp_path: Path) -> None:
    _run(made, TABLES, KINDS["check"], BREAKS["raises an error"])
    role = f"reader_{secrets.token_hex(3)}"
    _run(made, f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'x'")
    try:
        assert _found(f"postgresql://{role}:x@{made.rpartition('@')[2]}", tmp_path) == []
    finally:
        _run(made, f"DROP ROLE {role}")


def _found(url: str, folder: Path) -> list[str]:
    return [one.subject for one in _findings(url, folder)]


def _findings(url: str, folder: Path) -> list[Finding]:
    with open_database(DatabaseAddress.from_url(url)).view(folder, 1) as view:
        return [one for one in view.violated_constraints() if one.code == "once-true"]


def _rows(picture: dict[str, object]) -> dict[str, object]:
    return {name: rows for name, rows in picture.items() if name != "schema"}


def _run(url: str, *scripts: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for script in scripts:
            connection.execute(script.encode())


def _ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()
