"""Recognise errors of PostgreSQL's drivers and programs that mean a lost connection.

ADBC raises errors of its own until rows arrive. What ends their stream after that reaches Python through Arrow, as an OSError that has
the message and no code.
"""

from __future__ import annotations

import re

import adbc_driver_manager
import psycopg

WORDS = (
    r"server closed the connection|terminating connection|connection to server .* (failed|was lost)|could not connect"
    r"|SSL (SYSCALL|connection)|no connection to the server|could not (receive|send) data|crash of another server process"
    r"|invalid snapshot identifier"  # the session that exported it has ended
)
"""Regular expression for the untranslated messages of libpq and the server."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html: connection exceptions; shutdown, crash, starting up.
_STATES = ("08", "57P01", "57P02", "57P03")


def is_from_stream(error: Exception) -> bool:
    """Whether an OSError ended a stream of rows from PostgreSQL."""
    return isinstance(error, OSError) and str(error).startswith("[libpq]")


def why_lost(error: Exception) -> str | None:
    """The first line of the message, if the error means a lost connection; None for any other error."""
    if isinstance(error, psycopg.OperationalError):
        # Errors of libpq itself have no state.
        lost = error.sqlstate is None or error.sqlstate.startswith(_STATES)
    elif isinstance(error, adbc_driver_manager.Error):
        lost = (error.sqlstate or "").startswith(_STATES) or re.search(WORDS, str(error)) is not None
    elif is_from_stream(error):
        lost = re.search(WORDS, str(error)) is not None
    else:
        return None
    return str(error).strip().splitlines()[0][:300] if lost else None
