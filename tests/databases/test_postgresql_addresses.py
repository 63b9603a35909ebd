"""Every consumer reaches the same PostgreSQL database, whatever its name and however Django's OPTIONS say it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy
from psycopg import sql
from pydantic import SecretStr

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.probe_report import ProbeDatabase
from tests.postgres_server import SUPERUSER, PostgresServer

NAMES = [
    "my edms",
    " a blank at both ends ",
    "Ärzte é 文書",
    "100%",
    "a%20b",
    "a/b",
    "price $5 ${HOME}",
    "edms@work",
    'it\'s "quoted"',
    "UPPER.dotted",
    "dbname=postgres host=elsewhere",
    "postgresql://elsewhere/postgres",
    "-c",
    "--help",
    "back\\slash",
    "a+b&c?d#e",
]


@pytest.fixture(scope="module")
def made(postgres_server: PostgresServer) -> Iterator[list[str]]:
    template = "address_template"
    postgres_server.create_database(template)
    with postgres_server.connect(template) as connection:
        connection.execute("CREATE TABLE notes (id integer PRIMARY KEY, note text); INSERT INTO notes VALUES (1, 'é')")
    for name in NAMES:
        postgres_server.create_database(name, template)
    yield NAMES
    for name in [*NAMES, template]:
        postgres_server.drop_database(name)


def probed(server: PostgresServer, name: str, **options: str) -> DatabaseAddress:
    return DatabaseAddress.from_probe(
        ProbeDatabase(
            alias="default",
            vendor="postgresql",
            engine="django.db.backends.postgresql",
            name=name,
            user=SUPERUSER,
            password=server.password,
            host="127.0.0.1",
            port=str(server.port),
            options=options,
        )
    )


def seen_by_everybody(address: DatabaseAddress, tmp_path: Path, table: str = "notes") -> set[str]:
    """The database's name, as each consumer finds it; the rows and the schema are read too."""
    names = set()
    with open_database(address).view(tmp_path, 1) as view:
        captured = view.capture_schema(tmp_path / "schema.dump")
        (found,) = [one for one in view.tables() if one.name == table]
        measure = view.measure(found)
        (part,) = view.parts(found)
        rows = [row for batch in view.batches(found, measure, part, 10) for row in batch.to_pylist()]
        assert [row["note"] for row in rows] == ["é"]
        names.add(name_in_archive(captured.path))
    with psycopg.connect(address.url()) as connection:
        names.add(connection.info.dbname)
    engine = sqlalchemy.create_engine(address.sqlalchemy_url())
    with engine.connect() as session:
        names.add(str(session.scalar(sqlalchemy.text("SELECT current_database()"))))
    engine.dispose()
    return names


def name_in_archive(path: Path) -> str:
    # pg_dump writes the name of the database it read, a length before it, behind the header's times (WriteHead).
    data = path.read_bytes()
    at = 11 + (1 if data[6] >= 15 else 5) + 7 * 5
    length = int.from_bytes(data[at + 1 : at + 5], "little")
    return data[at + 5 : at + 5 + length].decode()


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_database_is_reached_by_everybody(
    name: str, made: list[str], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = probed(postgres_server, name)

    assert seen_by_everybody(address, tmp_path) == {name}


@pytest.mark.parametrize("name", NAMES)
def test_a_url_gives_back_the_address_it_was_made_of(name: str) -> None:
    address = DatabaseAddress(
        "postgresql", name, "::1", "5433", "us er@x", SecretStr("p%4@/ :?#"), (("sslrootcert", "/a b/ca.pem"),)
    )

    again = DatabaseAddress.from_url(address.url())

    assert again == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@h:1/my%20edms", ("my edms", "h", "1", "u", "p", {})),
        ("postgresql://u@h/my edms", ("my edms", "h", "", "u", "", {})),
        ("postgres://a:1,b:2/x?target_session_attrs=read-write", ("x", "a,b", "1,2", "", "", {"target_session_attrs": "read-write"})),
        ("postgresql://u@[fe80::1]:5433/x", ("x", "fe80::1", "5433", "u", "", {})),
        ("postgresql:///x?host=/var/run/my%20sockets&port=5433", ("x", "/var/run/my sockets", "5433", "", "", {})),
        ("postgresql+psycopg://u:a%40b@%2Fsocket/x", ("x", "/socket", "", "u", "a@b", {})),
        ("postgresql://h/x?options=-c%20search_path%3Dapp", ("x", "h", "", "", "", {"options": "-c search_path=app"})),
        ("postgresql://h/a%3Db?password=secret", ("a=b", "h", "", "", "secret", {})),
    ],
)  # fmt: skip
def test_urls_are_read_as_libpq_reads_them(url: str, expected: tuple[str, str, str, str, str, dict[str, str]]) -> None:
    address = DatabaseAddress.from_url(url)

    found = (address.name, address.host, address.port, address.user, address.password.get_secret_value())
    assert (*found, dict(address.options)) == expected


@pytest.mark.parametrize(
    "url", ["postgresql://u:hunter%zz@h/x", "postgresql://u:hunter2@[h/x", "postgresql://u:hunter2@h/x?nonsense=1"]
)
def test_a_url_that_cannot_be_read_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        DatabaseAddress.from_url(url)

    assert "hunter" not in str(caught.value)


def test_no_password_is_in_a_programs_arguments(postgres_server: PostgresServer) -> None:
    address = probed(postgres_server, "postgres")

    assert postgres_server.password not in address.conninfo(with_password=False)
    assert postgres_server.password not in repr(address)


OPTIONS = {
    "search path": {"options": "-c search_path=app"},
    "several, one with a blank": {"options": "-c search_path=app -c application_name=a\\ b"},
    "isolation level, pool and binding are Django's own": {
        "isolation_level": "4", "pool": "True", "server_side_binding": "True", "options": "-c search_path=app",
    },
    "an encoding that is not ours": {"client_encoding": "LATIN1", "options": "-csearch_path=app"},
    "what libpq knows": {
        "sslmode": "prefer", "connect_timeout": "5", "keepalives": "1", "keepalives_idle": "30", "target_session_attrs": "any",
        "gssencmode": "disable", "channel_binding": "prefer", "hostaddr": "127.0.0.1", "tcp_user_timeout": "1000",
        "sslrootcert": "/nowhere/a b's/ca.pem", "options": "--search_path=app",
    },
    "an application's name": {"application_name": "web", "options": "-c search_path=app"},
    "a role to assume": {"assume_role": "Owner of app", "options": "-c search_path=app"},
}  # fmt: skip


@pytest.fixture(scope="module")
def with_app_schema(postgres_server: PostgresServer) -> Iterator[str]:
    name = "options_of_django"
    postgres_server.create_database(name)
    with postgres_server.connect(name) as connection:
        connection.execute('CREATE ROLE "Owner of app"')
        connection.execute('CREATE SCHEMA app AUTHORIZATION "Owner of app"')
        connection.execute("CREATE TABLE app.notes (id integer PRIMARY KEY, note text)")
        connection.execute("INSERT INTO app.notes VALUES (1, 'é')")
        connection.execute('ALTER TABLE app.notes OWNER TO "Owner of app"')
    yield name
    postgres_server.drop_database(name)
    with postgres_server.connect() as connection:
        connection.execute('DROP ROLE "Owner of app"')


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_djangos_options_reach_everybody(
    options: dict[str, str], with_app_schema: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = probed(postgres_server, with_app_schema, **options)

    assert seen_by_everybody(address, tmp_path) == {with_app_schema}
    with open_database(address).view(tmp_path, 1) as view:
        assert [table.id for table in view.tables()] == ["notes"]  # not "app.notes": app is where the EDMS works


def test_the_assumed_role_is_the_one_that_reads_and_dumps(
    with_app_schema: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with postgres_server.connect(with_app_schema) as connection:
        connection.execute("DROP ROLE IF EXISTS visitor")
        connection.execute(sql.SQL("CREATE ROLE visitor LOGIN PASSWORD {}").format(postgres_server.password))
        connection.execute('GRANT "Owner of app" TO visitor; ALTER ROLE visitor NOINHERIT')
    address = probed(postgres_server, with_app_schema, assume_role="Owner of app", options="-c search_path=app")
    try:
        visitor = DatabaseAddress.from_url(address.url().replace(f"//{SUPERUSER}:", "//visitor:"))

        assert seen_by_everybody(visitor, tmp_path) == {with_app_schema}
    finally:
        with postgres_server.connect() as connection:
            connection.execute("DROP ROLE visitor")


def test_a_socket_in_a_folder_is_reached_by_everybody(
    with_app_schema: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    folder = tmp_path / "my sockets"
    folder.symlink_to(postgres_server.socket_dir)
    address = DatabaseAddress.from_url(
        DatabaseAddress(
            "postgresql", with_app_schema, str(folder), str(postgres_server.port), SUPERUSER,
            SecretStr(postgres_server.password),
        ).with_settings({"search_path": "app"}).url()
    )  # fmt: skip

    assert seen_by_everybody(address, tmp_path) == {with_app_schema}


def test_a_list_of_hosts_finds_the_one_that_answers(
    with_app_schema: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    address = DatabaseAddress(
        "postgresql", with_app_schema, "127.0.0.2,127.0.0.1", f"1,{postgres_server.port}", SUPERUSER,
        SecretStr(postgres_server.password), (("target_session_attrs", "read-write"),),
    )  # fmt: skip

    assert seen_by_everybody(DatabaseAddress.from_url(address.url()), tmp_path) == {with_app_schema}


def test_variables_of_libpq_change_neither_sessions_nor_dumps(
    with_app_schema: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {
        "PGOPTIONS": "-c search_path=nowhere -c default_transaction_read_only=on", "PGCLIENTENCODING": "LATIN1",
        "PGTZ": "Asia/Tokyo", "PGDATESTYLE": "SQL, DMY", "PGDATABASE": "postgres", "PGHOSTADDR": "127.0.0.99",
        "PGUSER": "nobody", "PGPORT": "1", "PGPASSWORD": "wrong", "PGAPPNAME": "x",
    }  # fmt: skip
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)

    address = probed(postgres_server, with_app_schema, options="-c search_path=app")

    assert seen_by_everybody(address, tmp_path) == {with_app_schema}
