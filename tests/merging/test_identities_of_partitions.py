"""PostgreSQL 17 and newer: a partition's identity column is that of the partitioned table, which alone can be altered and counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from edms_tasks.settings import settings_from
from tests.inventory.small_project import small_project
from tests.newest_postgres_server import newest_server
from tests.postgres_server import PostgresServer
from tests.running import run_backup, run_merge
from tests.zoo.system_database import connected

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("edms_asked_once")]

_TABLES = (
    "CREATE TABLE step (part int NOT NULL, name text NOT NULL, number bigint GENERATED ALWAYS AS IDENTITY, val text, "
    "PRIMARY KEY (part, name)) PARTITION BY LIST (part)",
    "CREATE TABLE step_1 PARTITION OF step FOR VALUES IN (1)",
    "CREATE TABLE event (id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, part int NOT NULL, PRIMARY KEY (id, part)) "
    "PARTITION BY LIST (part)",
    "CREATE TABLE event_1 PARTITION OF event FOR VALUES IN (1)",
)


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    with newest_server(postgres_server) as newest:
        if newest is None:
            pytest.skip("there is no newer PostgreSQL")
        yield newest.create_database("partition_identities")
        newest.drop_databases("partition_identities")


def test_partitions_with_identities_are_merged_and_count_on(url: str, tmp_path: Path) -> None:
    login = conninfo_to_dict(url)
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": login["dbname"]}
    database |= {name.upper(): login[name] for name in ("user", "password", "host", "port")}
    own = f'DATABASES["default"] = {database!r}\nMIGRATION_MODULES = {{"auth": None, "contenttypes": None}}'
    settings = settings_from(
        {
            "edms": small_project(tmp_path / "project", "", settings=own).edms.model_dump(),
            "repository": {"url": str(tmp_path / "repository")},
            "workdir": str(tmp_path / "work"),
            "validate": {"django_check": False},
            "natural_keys": {"event_1": ["name"]},
        },
        where=tmp_path / "edms-backup.toml",
    )

    def run(*statements: str) -> list[list[tuple[object, ...]]]:
        with connected(url) as server:
            return [server.execute(statement) for statement in statements]

    steps = "INSERT INTO step (part, name, val) VALUES (1, 'a', '{0}'), (1, '{0}', '{0}')"
    run(*_TABLES, steps.format("mine"), "INSERT INTO event (name, part) VALUES ('mine', 1)")
    snapshot = run_backup(settings).snapshot_id
    run("TRUNCATE step, event RESTART IDENTITY", "INSERT INTO event (name, part) VALUES ('theirs', 1)")
    refused = run_merge(settings, snapshot=snapshot)
    run("TRUNCATE step, event RESTART IDENTITY", "INSERT INTO step (part, name, val) VALUES (1, 'a', 'theirs')")

    result = run_merge(settings, snapshot=snapshot)

    # The two events cannot both be there: a primary key of several columns stays as it is.
    assert [(one.code, one.model) for one in refused.plan.conflicts] == [("unique", "event_1")]
    assert result.done
    assert run("SELECT name, number, val FROM step ORDER BY 1") == [[("a", 1, "mine"), ("mine", 2, "mine")]]
    assert run(
        "INSERT INTO step (part, name) VALUES (1, 'new') RETURNING number",
        "INSERT INTO event (name, part) VALUES ('new', 1) RETURNING id",
        "SELECT attidentity::text FROM pg_attribute WHERE attrelid = 'step'::regclass AND attname = 'number'",
    ) == [[(3,)], [(2,)], [("a",)]]
