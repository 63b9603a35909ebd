"""A reference dangles where PostgreSQL itself finds nothing at its end, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.inventory.model import ForeignReference
from expectations.count_queries import count_dangling
from tests.databases.there_and_back import there_and_back


@dataclass(frozen=True)
class Case:
    """Tables `target…` and `pointing`, and how many rows of `pointing` dangle by each reference."""

    script: str
    dangling: dict[str, int]


NOCASE = "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
CASES = {
    "to_a_partitioned_table": Case(
        "CREATE TABLE target (id integer PRIMARY KEY) PARTITION BY HASH (id);"
        "CREATE TABLE target0 PARTITION OF target FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE target1 PARTITION OF target FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a integer REFERENCES target); INSERT INTO target SELECT generate_series(1, 8);"
        "INSERT INTO pointing SELECT n, n FROM generate_series(1, 8) n; INSERT INTO pointing VALUES (9, NULL)",
        {"a": 0},
    ),
    "to_partitions_of_partitions_in_other_schemas": Case(
        "CREATE SCHEMA attic; CREATE TABLE target (id integer, at integer, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);"
        "CREATE TABLE target0 PARTITION OF target FOR VALUES FROM (0) TO (5) PARTITION BY RANGE (at);"
        "CREATE TABLE attic.target00 PARTITION OF target0 FOR VALUES FROM (0) TO (3);"
        "CREATE TABLE attic.empty PARTITION OF target0 FOR VALUES FROM (3) TO (5);"
        "CREATE TABLE rest (note text, at integer NOT NULL, id integer NOT NULL); ALTER TABLE target ADD note text;"
        "ALTER TABLE target ATTACH PARTITION rest DEFAULT;"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a integer, b integer, FOREIGN KEY (b, a) REFERENCES target (at, id));"
        "INSERT INTO target VALUES (1, 1), (2, 9); INSERT INTO pointing VALUES (1, 1, 1), (2, 2, 9), (3, 7, NULL);"
        "SET session_replication_role = replica; INSERT INTO pointing VALUES (4, 2, 1)",
        {"pointing_b_a_fkey": 1},
    ),
    "to_a_partition_itself": Case(
        "CREATE TABLE target (id integer PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE target0 PARTITION OF target FOR VALUES FROM (0) TO (5); CREATE TABLE target1 PARTITION OF target DEFAULT;"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a integer REFERENCES target0); INSERT INTO target VALUES (1), (7);"
        "INSERT INTO pointing VALUES (1, 1); SET session_replication_role = replica; INSERT INTO pointing VALUES (2, 7)",
        {"a": 1},
    ),
    "to_a_parent_that_has_children": Case(
        "CREATE TABLE target (id integer PRIMARY KEY); CREATE TABLE child () INHERITS (target); INSERT INTO target VALUES (1);"
        "INSERT INTO child VALUES (2); CREATE TABLE pointing (id integer PRIMARY KEY, a integer REFERENCES target);"
        "INSERT INTO pointing VALUES (1, 1); SET session_replication_role = replica; INSERT INTO pointing VALUES (2, 2)",
        {"a": 1},
    ),
    "under_a_collation_that_ignores_case": Case(
        NOCASE + "CREATE TABLE target (name text COLLATE nocase PRIMARY KEY);"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a text COLLATE nocase REFERENCES target, b text REFERENCES target,"
        ' c varchar(9) COLLATE "C" REFERENCES target);'
        "INSERT INTO target VALUES ('Ada'), ('É'); INSERT INTO pointing VALUES (1, 'ADA', 'ada', 'Ada'), (2, 'é', 'é', NULL);"
        "SET session_replication_role = replica; INSERT INTO pointing VALUES (3, 'Adá', 'Ad', NULL)",
        {"a": 1, "b": 1, "c": 0},
    ),
    "between_columns_of_two_types": Case(
        "CREATE DOMAIN amount AS numeric CHECK (VALUE >= 0);"
        "CREATE TABLE target (a bigint UNIQUE, b text UNIQUE, c char(6) UNIQUE, d numeric UNIQUE, e timestamptz UNIQUE, f float8 UNIQUE);"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a smallint REFERENCES target (a), b varchar(9) REFERENCES target (b),"
        " c char(3) REFERENCES target (c), d amount REFERENCES target (d), e date REFERENCES target (e), f real REFERENCES target (f));"
        "INSERT INTO target VALUES (1, 'x', 'ab', 1.0, '2020-01-01 00:00+00', 0.5), (2, 'y ', '', 2, 'infinity', 0.1);"
        "SET TimeZone = 'UTC'; INSERT INTO pointing VALUES (1, 1, 'x', 'ab', 1.000, '2020-01-01', 0.5),"
        "(2, 2, 'y ', '', 2.0, 'infinity', NULL);"
        "SET session_replication_role = replica; INSERT INTO pointing VALUES (3, 3, 'y', 'a', 1.5, '2020-01-02', 0.1)",
        {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1},
    ),
    "where_one_value_is_written_in_several_ways": Case(
        "CREATE TABLE target (a interval UNIQUE, b jsonb UNIQUE, c numeric[] UNIQUE, d numrange UNIQUE, e timetz UNIQUE,"
        " f inet UNIQUE, g bpchar UNIQUE);"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a interval REFERENCES target (a), b jsonb REFERENCES target (b),"
        " c numeric[] REFERENCES target (c), d numrange REFERENCES target (d), e timetz REFERENCES target (e),"
        " f inet REFERENCES target (f),"
        " g bpchar REFERENCES target (g));"
        "INSERT INTO target VALUES ('1 mon', '{\"a\": 1.0}', '{1.0}', '[1.0,2)', '12:00+00', '10.0.0.1', 'ab ');"
        "INSERT INTO pointing VALUES (1, '30 days', '{\"a\": 1.00}', '{1}', '[1,2.0)', '12:00+00', '10.0.0.1/32', 'ab   ');"
        "SET session_replication_role = replica;"
        "INSERT INTO pointing VALUES (2, '31 days', '{\"a\": \"1.0\"}', '{2}', '[1,2]', '13:00+01', '10.0.0.1/31', ' ab')",
        {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 1},
    ),
    "in_several_columns_of_which_some_are_empty": Case(
        NOCASE + "CREATE TABLE target (a integer, b text COLLATE nocase, PRIMARY KEY (a, b));"
        "CREATE TABLE pointing (id integer PRIMARY KEY, a integer, b text COLLATE nocase,"
        " CONSTRAINT simple FOREIGN KEY (a, b) REFERENCES target,"
        ' c integer, d text, CONSTRAINT "full" FOREIGN KEY (c, d) REFERENCES target MATCH FULL);'
        "INSERT INTO target VALUES (1, 'x'), (2, 'y'); INSERT INTO pointing VALUES (1, 1, 'X', 2, 'Y'), (2, 9, NULL, NULL, NULL);"
        "SET session_replication_role = replica; INSERT INTO pointing VALUES (3, 1, 'Y', 1, 'z')",
        {"simple": 1, "full": 1},
    ),
    "of_partitions": Case(
        "CREATE TABLE target (id integer PRIMARY KEY);"
        "CREATE TABLE whole (id integer, a integer REFERENCES target) PARTITION BY RANGE (id);"
        "CREATE TABLE pointing PARTITION OF whole DEFAULT; INSERT INTO target VALUES (1); INSERT INTO whole VALUES (1, 1), (2, NULL)",
        {"a": 0},
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if number > 3 else []) for number, name in enumerate(CASES)]
)
def test_a_reference_finds_the_row_that_postgresql_finds(name: str, postgres_database: str, tmp_path: Path) -> None:
    found, counted = _found(CASES[name], postgres_database, tmp_path)

    assert found == CASES[name].dangling
    assert counted == CASES[name].dangling


@pytest.mark.long
def test_a_reference_has_the_natural_key_of_the_row_that_postgresql_finds(
    postgres_database: str, tmp_path: Path
) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(CASES["under_a_collation_that_ignores_case"].script.encode())
        connection.execute("DELETE FROM pointing WHERE id = 3")

    first = there_and_back(postgres_database, tmp_path / "first").before["pointing"]
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("UPDATE pointing SET a = lower(a)")
    second = there_and_back(postgres_database, tmp_path / "second").before["pointing"]

    assert first.exact_digest != second.exact_digest
    assert first.content_digest == second.content_digest


def _found(case: Case, url: str, folder: Path) -> tuple[dict[str, int], dict[str, int]]:
    """By reference, the rows that dangle: as a backup counts them, and as the validation of a restore does at the restored database."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(case.script.encode())
    copy = there_and_back(url, folder)
    assert copy.before == copy.after
    found = {reference.name: reference.dangling for reference in copy.before["pointing"].references}
    with open_database(DatabaseAddress.from_url(url)).view(folder, 1) as view:
        tables = {table.id: table for table in view.tables()}
    engine = sa.create_engine(DatabaseAddress.from_url(copy.url).sqlalchemy_url())
    counted = {}
    with engine.connect() as restored:
        for reference in tables["pointing"].references:
            assert isinstance(reference, ForeignReference)
            partitions = [tables[name] for name in reference.partitions]
            query = count_dangling(
                "postgresql", tables["pointing"], reference, tables.get(reference.target), partitions
            )
            counted[reference.name] = restored.execute(sa.text(query.replace(":", "\\:"))).scalar_one()
    engine.dispose()
    return found, counted
