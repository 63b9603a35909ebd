"""Run pg_dump and pg_restore with the right version and session settings, and without a password that others can read."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.client_programs import Program, find_program
from edms_tasks.databases.postgresql.connection import ask_server, with_settings
from edms_tasks.databases.postgresql.secret_options import handed_to_a_program
from edms_tasks.databases.postgresql.table_locks import table_locked
from edms_tasks.databases.postgresql.tool_errors import tool_failed

_PROGRAMS = ("pg_dump", "pg_restore")
# Variables of libpq that change a session. The others (passwords, certificates) may be needed.
_NOT_INHERITED = ("PGOPTIONS", "PGCLIENTENCODING", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGDATABASE", "PGAPPNAME")


def run_tool(name: str, arguments: Sequence[str], address: DatabaseAddress, *, connect: bool = True) -> str:
    """Run pg_dump or pg_restore, with `connect` on a database; returns its standard output.

    The password is passed in the environment only, other secrets in memory. Bytes that are not UTF-8 become surrogates.

    Raises:
        ToolMissing: there is no program of a suitable version.
        DatabaseRefused: the server does not answer.
        TerminalError, TransientError: it failed; see `tool_errors.py`.
    """
    with handed_to_a_program(address) as handed:
        if connect:
            program, connection = _for_server(name, arguments, address, handed.address)
        else:
            program, connection = find_program(name, 0, address.client_programs), []
        done = subprocess.run(
            [program.path, *connection, *arguments],
            env=_environment(address) | handed.environment,
            pass_fds=handed.descriptors,
            capture_output=True,
            check=False,
        )
    if done.returncode != 0:
        output = done.stderr.decode(errors="replace")
        if connect and re.search(r"timeout.*\n.*LOCK TABLE", output):
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
    name: str, arguments: Sequence[str], address: DatabaseAddress, public: DatabaseAddress
) -> tuple[Program, list[str]]:
    server = ask_server(address)
    archive = _version_of_archive(arguments[-1], address) if name == "pg_restore" else 0
    program = find_program(name, server.version, address.client_programs, archive=archive)
    address = with_settings(public, server.odd_defaults)
    if "options" not in dict(address.options) and (inherited := os.environ.get("PGOPTIONS")):
        address = address.with_options(options=inherited)  # as our own sessions have them
    # With UTF8 as client encoding, the server would refuse bytes that are not UTF-8.
    encoding = "SQL_ASCII" if server.encoding == "SQL_ASCII" else "UTF8"
    return program, ["--dbname", address.conninfo(with_password=False, client_encoding=encoding)]


def _version_of_archive(path: str, address: DatabaseAddress) -> int:
    """The major version of the pg_dump that wrote an archive, read by the newest pg_restore; 0 if unknown."""
    if not Path(path).is_file():
        return 0
    listing = run_tool("pg_restore", ["--list", path], address, connect=False)
    found = re.search(r"^;\s+Dumped by pg_dump version: (\d+)", listing, flags=re.MULTILINE)
    return int(found[1]) if found else 0


def _environment(address: DatabaseAddress) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    if password := address.password.get_secret_value():
        environment["PGPASSWORD"] = password
    if not re.search(r"(^|\s)-c\s*timezone=", dict(address.options).get("options", ""), flags=re.IGNORECASE):
        environment["PGTZ"] = "UTC"  # pg_dump writes bounds and defaults with time zones in it
    return environment | {"LC_ALL": "C"}
