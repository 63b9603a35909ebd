"""Run pg_dump and pg_restore with the right version and session settings, and without a password that others can read."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.client_programs import Program, find_program
from edms_tasks.databases.postgresql.connection import ask_server, with_settings
from edms_tasks.databases.postgresql.secret_options import handed_to_a_program
from edms_tasks.databases.postgresql.table_locks import table_locked
from edms_tasks.databases.postgresql.tool_errors import tool_failed

_PROGRAMS = ("pg_dump", "pg_restore")
# Variables of libpq that change a session. The others (passwords, certificates) may be needed.
_NOT_INHERITED = ("PGOPTIONS", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGDATABASE", "PGAPPNAME")


def run_tool(name: str, arguments: Sequence[str], address: DatabaseAddress, *, archive: int = 0) -> str:
    """Run pg_dump or pg_restore on a database; returns its standard output.

    The password is passed in the environment only, other secrets in memory. Bytes that are not UTF-8 become surrogates.

    Args:
        name: the program.
        arguments: what it is told, but for the database.
        address: the database.
        archive: the major version of the pg_dump that wrote the archive to be read; an older pg_restore may not know it.

    Raises:
        ToolMissing: there is no program of a suitable version.
        DatabaseRefused: the server does not answer.
        TerminalError, TransientError: it failed; see `tool_errors.py`.
    """
    with handed_to_a_program(address) as handed:
        program, connection = _for_server(name, address, handed.address, archive)
        done = subprocess.run(
            [program.path, *connection, *arguments],
            env=_environment(address) | handed.environment,
            pass_fds=handed.descriptors,
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        output = done.stderr.decode(errors="replace")
        if re.search(r"timeout.*\n.*LOCK TABLE", output):
            raise table_locked(address)
        raise tool_failed(program, address, output, done.returncode)
    return done.stdout.decode("utf-8", "surrogateescape")


def required_programs(address: DatabaseAddress, server: int) -> tuple[str, ...]:
    """The programs that a backup and a restore use, as texts.

    Args:
        address: the address of a database of the server.
        server: the server's version as libpq gives it: 150014.

    Raises:
        ToolMissing: there is no program of a suitable version.
    """
    return tuple(str(find_program(name, server // 10000, address.client_programs)) for name in _PROGRAMS)


def _for_server(
    name: str, address: DatabaseAddress, public: DatabaseAddress, archive: int
) -> tuple[Program, list[str]]:
    server = ask_server(address)
    program = find_program(name, server.version, address.client_programs, archive=archive)
    address = with_settings(public, server.odd_defaults)
    if "options" not in dict(address.options) and (inherited := os.environ.get("PGOPTIONS")):
        address = address.with_options(options=inherited)  # as our own sessions have them
    # With UTF8 as client encoding, the server would refuse bytes that are not UTF-8.
    encoding = "SQL_ASCII" if server.encoding == "SQL_ASCII" else "UTF8"
    return program, ["--dbname", address.conninfo(with_password=False, client_encoding=encoding)]


def _environment(address: DatabaseAddress) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    if password := address.password.get_secret_value():
        environment["PGPASSWORD"] = password
    if not re.search(r"(^|\s)-c\s*timezone=", dict(address.options).get("options", ""), flags=re.IGNORECASE):
        environment["PGTZ"] = "UTC"  # pg_dump writes bounds and defaults with time zones in it
    return environment | {"LC_ALL": "C"}
