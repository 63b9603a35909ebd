"""Run statements that a server may refuse while the rest of a restore goes on, one by one, and return why one was refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from edms_tasks.databases.quoted_values import without_quoted_values

Connection = psycopg.Connection[tuple[object, ...]]

# Classes of SQLSTATE that refuse this statement: feature, grantor, grant, state of an object, syntax or access, and what an event
# trigger raises.
_REFUSALS = ("0A", "0L", "0P", "22", "2B", "3F", "42", "55", "58P01", "P0")
# Classes with another cause than the statement: connection, transaction, resources, operator, system, internal.
_CIRCUMSTANCES = ("08", "40", "53", "57", "58", "XX")
_NOTHING_GRANTED = {"01007", "01006"}  # a GRANT or REVOKE that only warned
_LONGEST = 300


def attempt(connection: Connection, statement: bytes) -> str | None:
    """Run a statement in its own transaction or savepoint; returns why the server refused it, or None.

    Raises:
        psycopg.Error: it failed for another reason: the connection, the disk, the server.
    """
    with _warnings(connection) as warned:
        try:
            with connection.transaction():
                connection.execute(statement)
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(_REFUSALS):
                raise
            return _said(error)
    return warned[0] if warned else None


def evaluate(connection: Connection, statement: bytes) -> str | None:
    """Like `attempt`, for statements that call functions of the EDMS or read its rows, and may fail with any code.

    Raises:
        psycopg.Error: it failed for another reason: the connection, the disk, the server.
    """
    try:
        with connection.transaction():
            connection.execute(statement)
    except psycopg.Error as error:
        return why_not(error)
    return None


def take_settings(connection: Connection, settings: Mapping[str, str], *, for_transaction: bool = True) -> None:
    """Give the session these settings, such as the search path with which the EDMS's functions find the names they use.

    With `for_transaction` they last until the open transaction ends (or is rolled back to its savepoint), otherwise for the session.
    """
    for name, value in settings.items():
        connection.execute("SELECT pg_catalog.set_config(%s, %s, %s)", (name, value, for_transaction))


def rehearse_query(connection: Connection, query: bytes, settings: Mapping[str, str]) -> str | None:
    """Like `evaluate` with these settings, and always rolled back.

    Raises:
        psycopg.Error: as `evaluate`.
    """
    try:
        with connection.transaction(force_rollback=True):
            take_settings(connection, settings)
            connection.execute(query)
    except psycopg.Error as error:
        return why_not(error)
    return None


def why_not(error: psycopg.Error) -> str:
    """Why a statement that calls functions of the EDMS was refused. Raises the error if the statement is not the cause."""
    state = error.sqlstate or "08"
    if state.startswith(_CIRCUMSTANCES) and not state.startswith(_REFUSALS):
        raise error
    return _said(error)


def _said(error: psycopg.Error) -> str:
    """What the server said, for findings and notes, which are kept and sent: they have no values of rows."""
    return " ".join(without_quoted_values(str(error)).split())[:_LONGEST]


def rehearse(connection: Connection, statement: bytes) -> str | None:
    """Like `attempt`, and always rolled back: why the server would refuse a statement, or None."""
    with connection.transaction(force_rollback=True):
        refused = attempt(connection, statement)
    return refused  # noqa: RET504 - mypy: by its type, a transaction may swallow an exception


@contextmanager
def _warnings(connection: Connection) -> Iterator[list[str]]:
    warned: list[str] = []

    def listen(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.sqlstate in _NOTHING_GRANTED:
            warned.append(str(diagnostic.message_primary))

    connection.add_notice_handler(listen)
    try:
        yield warned
    finally:
        connection.remove_notice_handler(listen)
