"""No secret of an EDMS's OPTIONS stands among the arguments of pg_dump and pg_restore, which every user can read."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.databases.postgresql.client_programs import find_program
from edms_tasks.databases.postgresql.connection import ask_server
from edms_tasks.databases.postgresql.pg_dump import run_tool
from edms_tasks.databases.postgresql.secret_options import handed_to_a_program
from edms_tasks.errors import SettingsError
from tests.postgres_server import PostgresServer

SECRET = "a key's pass word"


@pytest.fixture
def overheard(postgres_database: str, tmp_path: Path) -> DatabaseAddress:
    """An address whose programs write down what any user sees of them, and what they are handed."""
    address = DatabaseAddress.from_url(postgres_database)
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        real = find_program(name, ask_server(address).version).path
        wrapper = folder / name
        wrapper.write_text(
            "#!/bin/sh\n"
            f"tr '\\0' '\\n' < /proc/$$/cmdline >> {shlex.quote(str(tmp_path))}/seen\n"
            f'if [ -n "$PGSERVICEFILE" ]; then cat "$PGSERVICEFILE" >> {shlex.quote(str(tmp_path))}/handed; '
            f'stat -L -c %a "$PGSERVICEFILE" >> {shlex.quote(str(tmp_path))}/mode; fi\n'
            f'exec {shlex.quote(str(real))} "$@"\n'
        )
        wrapper.chmod(0o755)
    return replace(address, client_programs=str(folder)).with_options(sslpassword=SECRET)


def test_the_password_of_a_key_is_handed_over_unseen(
    overheard: DatabaseAddress, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with postgres_server.connect(overheard.name) as connection:
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY)")
    dump = tmp_path / "dump"

    run_tool("pg_dump", ["-Fd", "-j2", "--file", str(dump)], overheard)  # two jobs: several sessions read the file
    with postgres_server.connect(overheard.name) as connection:
        connection.execute("DROP TABLE kept")
    run_tool("pg_restore", ["-Fd", "-j2", str(dump)], overheard)

    with postgres_server.connect(overheard.name) as connection:
        assert connection.execute("SELECT to_regclass('kept') IS NOT NULL").fetchone() == (True,)
    seen = (tmp_path / "seen").read_text()
    assert "--dbname" in seen
    assert SECRET not in seen and "pass word" not in seen
    assert f"sslpassword={SECRET}" in (tmp_path / "handed").read_text()
    assert set((tmp_path / "mode").read_text().split()) == {"600"}


@pytest.mark.parametrize("options", [{"service": "edms", "sslpassword": "x"}, {"sslpassword": "x "}])
def test_a_secret_that_a_service_file_cannot_contain_is_refused_and_not_shown(options: dict[str, str]) -> None:
    address = DatabaseAddress("postgresql", "edms").with_options(**options)

    with pytest.raises(SettingsError) as refused, handed_to_a_program(address):
        pass

    assert "sslpassword" in refused.value.what
    assert refused.value.fix
