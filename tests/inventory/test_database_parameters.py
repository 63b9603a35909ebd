"""How the EDMS reaches PostgreSQL is what its own connection says: services, password files and variables resolved."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.inventory.run_probe import run_in_edms, run_probe
from edms_tasks.settings import EdmsSettings, Settings
from tests.postgres_server import SUPERUSER, PostgresServer

LIVE, STAGED = "live of parameters", "--staged = parameters"
_ASK = "from django.db import connection as c; print(c.cursor().execute('SELECT current_database()').fetchone()[0])"
WHERE = ["shell", "-v0", "-c", _ASK]


@pytest.fixture(scope="module")
def databases(postgres_server: PostgresServer) -> Iterator[None]:
    for name in (LIVE, STAGED):
        postgres_server.create_database(name)
    with postgres_server.connect(LIVE) as connection:
        connection.execute("CREATE SCHEMA app")
    yield
    for name in (LIVE, STAGED):
        postgres_server.drop_database(name)


def project(folder: Path, database: str, ready: str = "") -> Settings:
    (folder / "an_app").mkdir()
    (folder / "an_app/__init__.py").touch()
    (folder / "an_app/apps.py").write_text(
        "from django.apps import AppConfig\n\nclass Config(AppConfig):\n    name = 'an_app'\n"
        f"    def ready(self):\n        {ready or 'pass'}\n"
    )
    (folder / "the_settings.py").write_text(
        textwrap.dedent(f"""
            SECRET_KEY = "only for tests"
            INSTALLED_APPS = ["django.contrib.contenttypes", "an_app.apps.Config"]
            DATABASES = {{"default": {{"ENGINE": "django.db.backends.postgresql", **{database}}}}}
        """)
    )
    return Settings(
        edms=EdmsSettings(
            project=folder, settings="the_settings", env={"PGSERVICEFILE": SecretStr(str(folder / "services.conf"))}
        )
    )


@pytest.mark.long
def test_a_service_with_a_password_file_is_resolved_by_the_edms(
    databases: None, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    (tmp_path / "services.conf").write_text(
        f"[edms]\nhost=127.0.0.1\nport={postgres_server.port}\nuser={SUPERUSER}\ndbname={LIVE}\n"
        "options=-c search_path=app\npassfile=secrets/pass word\n"
    )
    (tmp_path / "secrets").mkdir()
    passfile = tmp_path / "secrets/pass word"
    passfile.write_text(f"*:*:*:*:{postgres_server.password}\n")
    passfile.chmod(0o600)
    settings = project(
        tmp_path, '{"NAME": "", "OPTIONS": {"service": "edms", "isolation_level": 2}, "TEST": {"NAME": "t"}}'
    )

    report = run_probe(settings)

    assert report.database_error is None
    address = DatabaseAddress.from_probe(report.databases[0])
    assert (address.name, address.host, address.port, address.user) == (
        LIVE, "127.0.0.1", str(postgres_server.port), SUPERUSER,
    )  # fmt: skip
    assert dict(address.options)["options"] == "-c search_path=app"
    assert open_database(address).check().may_create_databases
    assert run_in_edms(settings, WHERE, database_name=STAGED).stdout.split("\n")[0] == STAGED


def test_commands_run_in_the_staging_database_even_where_options_or_a_pool_name_the_live_one(
    databases: None, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    settings = project(
        tmp_path,
        f'{{"NAME": "other", "USER": {SUPERUSER!r}, "PASSWORD": {postgres_server.password!r}, "HOST": "127.0.0.1", '
        f'"PORT": {postgres_server.port}, "OPTIONS": {{"dbname": {LIVE!r}}}}}',
        ready="from django.db import connection; connection.ensure_connection()",
    )

    address = DatabaseAddress.from_probe(run_probe(settings).databases[0])
    answer = run_in_edms(settings, WHERE, database_name=STAGED)

    assert address.name == LIVE
    assert answer.stdout.split("\n")[0] == STAGED, answer.stderr
