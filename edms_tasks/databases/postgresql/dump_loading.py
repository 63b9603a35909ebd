"""Run the statements of a plain SQL dump in a throwaway database, and say what of it could not be restored.

No psql is involved, so its commands cannot be run. Statements and rows are handed to the server as they are, bytes for bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
from psycopg import pq

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected
from edms_tasks.databases.postgresql.dump_script import DumpScript, PsqlCommand, ReadableStream, Statement
from edms_tasks.databases.postgresql.dump_statements import (
    database_of,
    filled_table,
    forced_policies,
    inserted_rows,
    judge,
    judge_command,
)
from edms_tasks.databases.postgresql.dump_survey import TableNames
from edms_tasks.databases.postgresql.waiting_session import WaitingSession
from edms_tasks.errors import CheckFailed, TransientError
from edms_tasks.quoting import identifier

_LONGEST = 300
_MISSING_ROLE = b"42704"
_HIDDEN = "the rows would be hidden from the role that is to read them. A superuser can restore it"
_MAY_READ_ALL = b"SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user"
# The connection, transaction, resources, operator and system: not the statement.
_CIRCUMSTANCES = (b"08", b"53", b"57P", b"58030")
_LIMIT_EXCEEDED = b"53400"  # temp_file_limit of the role
_SESSION = (b"SET synchronous_commit = off", b"SET check_function_bodies = off", b"SET client_min_messages = error")


@dataclass
class LoadedDump:
    """What could not be restored."""

    failed: list[tuple[str, str]] = field(default_factory=list)  # beginning of the statement, why
    lost: dict[str, tuple[int, str]] = field(default_factory=dict)  # table -> number of rows, why
    without_role: list[str] = field(default_factory=list)  # privileges of roles that do not exist here
    extensions: list[tuple[str, str]] = field(default_factory=list)  # not installed, why

    def lose(self, table: str, rows: int, why: str) -> None:
        """Note rows that the server refused."""
        before, first = self.lost.get(table, (0, why))
        self.lost[table] = before + rows, first


def load_dump(
    stream: ReadableStream, address: DatabaseAddress, database: str, too_large: Callable[[], Exception]
) -> LoadedDump:
    """Run the statements of one database of the dump.

    Args:
        stream: the dump, of which nothing was refused (`survey_dump`).
        address: the throwaway database, with its own login.
        database: which database of the dump; "" for what comes before any \\connect.
        too_large: the error where temporary files reach their limit.

    Raises:
        TransientError: the server ended the connection, or has no room.
        CheckFailed: the dump is not the one that was surveyed.
    """
    connection = pq.PGconn.connect(address.conninfo().encode())
    try:
        if connection.status != pq.ConnStatus.OK:
            raise _ended(address, connection)
        loader = _Loader(connection, address, too_large)
        for statement in _SESSION:
            loader.execute(statement)
        loader.run(DumpScript(stream), database)
        return loader.result
    finally:
        connection.finish()


def count_rows(address: DatabaseAddress, tables: list[str]) -> dict[str, int]:
    """The number of rows of these tables (`schema.table`); tables that do not exist are left out."""
    found = {}
    with connected(address) as connection:
        rows = connection.execute(
            "SELECT n.nspname, c.relname, c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
        ).fetchall()
        wanted = set(tables)
        for schema, name, kind in rows:
            if f"{schema}.{name}" in wanted:
                only = "" if kind == "p" else "ONLY "
                counted = connection.execute(
                    f"SELECT count(*) FROM {only}{identifier(str(schema), str(name))}".encode()
                ).fetchone()
                assert counted is not None  # an aggregate always returns one row
                found[f"{schema}.{name}"] = int(str(counted[0]))
    return found


class _Loader:
    def __init__(self, connection: pq.abc.PGconn, address: DatabaseAddress, too_large: Callable[[], Exception]) -> None:
        self.result = LoadedDump()
        self._too_large = too_large
        self._connection = connection
        self._session = WaitingSession(connection)
        self._address = address
        self._names = TableNames()
        self._reads_past_policies = self._session.execute(_MAY_READ_ALL).get_value(0, 0) == b"t"

    def run(self, script: DumpScript, database: str) -> None:
        here = ""
        for part in script:
            if isinstance(part, PsqlCommand):
                if judge_command(part).fate == "refuse":
                    raise _changed(part.line)
                if (name := database_of(part)) is not None:
                    here, self._names = name, TableNames()
            elif here == database:
                self._run(part, script)

    def _run(self, one: Statement, script: DumpScript) -> None:
        verdict = judge(one)
        if verdict.fate == "refuse":
            raise _changed(one.line)
        if verdict.fate in ("skip", "leave out"):
            return
        self._names.note(one.text)
        if verdict.kind == "rows":
            table = self._names.full(filled_table(one.text) or b"")
            if one.takes_rows:
                self._copy(one, table, script.rows())
            elif (error := self.execute(one.text)) is not None:
                self.result.lose(table, inserted_rows(one.text), error[1])
            return
        if forced_policies(one.text) and not self._reads_past_policies:
            self.result.failed.append((_beginning(one.text), _HIDDEN))
            return
        error = self.execute(one.text)
        if error is None or verdict.fate == "try":
            return
        state, why = error
        beginning = _beginning(one.text)
        if verdict.kind == "privilege" and state == _MISSING_ROLE:
            self.result.without_role.append(why)
        elif verdict.kind == "extension":
            self.result.extensions.append((beginning, why))
        else:
            self.result.failed.append((beginning, why))

    def execute(self, statement: bytes) -> tuple[bytes, str] | None:
        """Run a statement; returns SQLSTATE and message if the server refused it."""
        try:
            return self._error(self._session.execute(statement))
        except psycopg.OperationalError as error:
            raise _ended(self._address, self._connection) from error

    def _copy(self, one: Statement, table: str, rows: Iterator[bytes]) -> None:
        try:
            result = self._session.execute(one.text)
        except psycopg.OperationalError as error:
            raise _ended(self._address, self._connection) from error
        if result.status != pq.ExecStatus.COPY_IN:
            refused = self._error(result)
            self.result.lose(
                table, sum(piece.count(b"\n") for piece in rows), refused[1] if refused else "It takes no rows."
            )
            return
        sent = 0
        try:
            for piece in rows:
                sent += piece.count(b"\n")
                self._session.put(piece)
            ended = self._session.end_rows()
        except psycopg.OperationalError as error:
            raise _ended(self._address, self._connection) from error
        if (refused := self._error(ended)) is not None:
            self.result.lose(table, sent, refused[1])

    def _error(self, result: pq.abc.PGresult) -> tuple[bytes, str] | None:
        if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK, pq.ExecStatus.EMPTY_QUERY):
            return None
        if self._connection.status != pq.ConnStatus.OK:
            raise _ended(self._address, self._connection)
        state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
        message = (result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode(
            "utf-8", "replace"
        )
        if state == _LIMIT_EXCEEDED:
            raise self._too_large()
        if state.startswith(_CIRCUMSTANCES):
            raise TransientError(
                "The server could not go on with the dump.",
                where=self._address.display,
                why=message[:_LONGEST],
                fix="See the server's log, give it what it lacks, and convert the dump again. Nothing was kept.",
            )
        return state, " ".join(message.split())[:_LONGEST]


def _beginning(text: bytes) -> str:
    return text.decode("utf-8", "replace").split("\n")[0][:120]


def _changed(line: int) -> CheckFailed:
    return CheckFailed(
        "The dump changed while it was read.",
        where=f"line {line}",
        why="It has a statement that was not there when it was examined.",
        fix="Convert a copy that nobody writes to.",
    )


def _ended(address: DatabaseAddress, connection: pq.abc.PGconn) -> TransientError:
    return TransientError(
        "The server ended the connection while the dump was restored.",
        where=address.display,
        why=connection.error_message.decode("utf-8", "replace").strip()[:_LONGEST],
        fix="See the server's log for the reason, and convert the dump again. Nothing was kept.",
    )
