"""Random schemas of the zoo's traits with random rows come back byte-equal, on both engines.

A few examples, the same ones in every run, and more in `make test-long`. `EDMS_ZOO_EXAMPLES=1000 pytest -m long
tests/zoo/test_random_schemas.py` draws so many new ones per engine and cuts a failing one down to its core.
"""

from __future__ import annotations

import itertools
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, note

from tests.databases.there_and_back import there_and_back
from tests.independent_comparison import differences, picture_of_postgres, picture_of_sqlite
from tests.reference_system import LazyPostgres
from tests.zoo.how_many_examples import as_many_as
from tests.zoo.random_schemas import RandomDatabase, databases
from tests.zoo.random_values import PostgresDialect, SqliteDialect


@pytest.fixture(scope="module")
def new_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A folder of its own for every example."""
    return lambda: tmp_path_factory.mktemp("example")


@pytest.fixture(scope="module")
def postgres_urls(_lazy_postgres: LazyPostgres) -> Iterator[Callable[[], str]]:
    """A new database for every example, the ones before it dropped."""
    server, prefix, numbers = _lazy_postgres.server, f"random_{secrets.token_hex(3)}", itertools.count()

    def drop_all() -> None:
        for name in server.databases():
            if name.startswith(prefix):
                server.drop_database(name)

    def create() -> str:
        drop_all()
        return server.create_database(f"{prefix}_{next(numbers)}")

    yield create
    drop_all()


@as_many_as(8)
@given(database=databases(SqliteDialect()))
def test_a_random_sqlite_database_is_restored_exactly(database: RandomDatabase, new_folder: Callable[[], Path]) -> None:
    _sqlite_comes_back(database, new_folder)


@pytest.mark.long
@pytest.mark.timeout(0)
@as_many_as(200)
@given(database=databases(SqliteDialect()))
def test_many_random_sqlite_databases_are_restored_exactly(
    database: RandomDatabase, new_folder: Callable[[], Path]
) -> None:
    _sqlite_comes_back(database, new_folder)


@as_many_as(4)
@given(database=databases(PostgresDialect()))
def test_a_random_postgresql_database_is_restored_exactly(
    database: RandomDatabase, new_folder: Callable[[], Path], postgres_urls: Callable[[], str]
) -> None:
    _postgresql_comes_back(database, new_folder, postgres_urls)


@pytest.mark.long
@pytest.mark.timeout(0)
@as_many_as(40)
@given(database=databases(PostgresDialect()))
def test_many_random_postgresql_databases_are_restored_exactly(
    database: RandomDatabase, new_folder: Callable[[], Path], postgres_urls: Callable[[], str]
) -> None:
    _postgresql_comes_back(database, new_folder, postgres_urls)


def _sqlite_comes_back(database: RandomDatabase, new_folder: Callable[[], Path]) -> None:
    folder = new_folder()
    path = folder / "source.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement, values in database.statements:
            connection.execute(statement, values)
        dangling = _dangling_by_sqlite(connection)
    before = picture_of_sqlite(path)

    copy = there_and_back(f"sqlite:///{path}", folder / "work")

    assert differences(before, picture_of_sqlite(Path(copy.url.removeprefix("sqlite:///")))) == []
    assert copy.before == copy.after
    found = {(table, ref.name): ref.dangling for table, state in copy.before.items() for ref in state.references}
    assert {reference: count for reference, count in found.items() if count} == dangling


def _postgresql_comes_back(
    database: RandomDatabase, new_folder: Callable[[], Path], postgres_urls: Callable[[], str]
) -> None:
    url = postgres_urls()
    with psycopg.connect(url) as connection:
        for statement, values in database.statements:
            connection.execute(statement.encode(), values or None)
    before = picture_of_postgres(url)

    copy = there_and_back(url, new_folder())

    after = picture_of_postgres(copy.url)
    note("\n".join(str((name, before.get(name), after.get(name))) for name in differences(before, after)))
    assert differences(before, after) == []
    assert copy.before == copy.after
    assert not any(reference.dangling for state in copy.before.values() for reference in state.references)


def _dangling_by_sqlite(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """(table, column) -> rows that SQLite itself says point at nothing."""
    count = """
        SELECT c."table", k."from", count(*) FROM pragma_foreign_key_check c
        JOIN pragma_foreign_key_list(c."table") k ON k.id = c.fkid GROUP BY 1, 2
    """
    return {(table, column): rows for table, column, rows in connection.execute(count)}
