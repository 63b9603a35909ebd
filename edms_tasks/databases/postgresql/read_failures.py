"""What the server says when it cannot read the rows of a table, as an error that names the table and what to do."""

from __future__ import annotations

import re

import adbc_driver_manager
import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection_errors import is_from_stream, why_lost
from edms_tasks.databases.postgresql.table_locks import is_lock_timeout, table_locked
from edms_tasks.errors import EdmsBackupError, TerminalError, TransientError
from edms_tasks.inventory.model import Table

# https://www.postgresql.org/docs/current/errcodes-appendix.html
# The codes of what may end a stream of rows, by the server's untranslated words: then there is no code.
_STATES = {
    r"canceling statement due to conflict|deadlock detected": "40001",
    r"canceling statement": "57014",
    r"invalid byte sequence|has no equivalent in encoding": "22021",
    r"could not (open|read|access|stat) (file|block)": "58030",
    r"invalid page|(missing|unexpected) chunk|compressed (pglz |lz4 )?data is corrupt|invalid memory alloc request": "XX001",
    r"permission denied": "42501",
    r"out of shared memory": "53200",
}
_CONFLICTS = ("40001", "40P01", "57014")
_DAMAGED = "See the server's log, check the disk, and restore the table from an earlier snapshot."
_FIXES = {
    "22021": "The database's texts are not in one encoding (SQL_ASCII), and Django cannot read them either. Convert them: `pg_dump`, "
    "`iconv -f` the real encoding `-t UTF8`, and load the result into a new database with ENCODING 'UTF8'.",
    "42501": "As the table's owner or a superuser: GRANT SELECT ON the table TO the role.",
    "53200": "The server has no room for more locks, or no memory. Raise max_locks_per_transaction in postgresql.conf (to 1024, say), "
    "and restart the server.",
    "53300": "Raise max_connections in postgresql.conf, or set `jobs = 1`.",
    "58": f"The server cannot read its own files. {_DAMAGED}",
    "XX": f"The table is damaged. {_DAMAGED}",
}


def unreadable_rows(
    error: adbc_driver_manager.Error | psycopg.Error | OSError, table: Table, address: DatabaseAddress
) -> EdmsBackupError | None:
    """The error for a driver's; None for a lost connection, of which others tell, and for an OSError that is not the server's.

    It is a TableLocked if another session has locked the table, a TransientError if the server ended the read in favour of something
    else, and otherwise a TerminalError.
    """
    if isinstance(error, OSError) and not is_from_stream(error):
        return None
    state = _state_of(error)
    if is_lock_timeout(state):
        return table_locked(address)
    if why_lost(error) is not None:
        return None
    what, where = f"The rows of {table.label} cannot be read.", f"{address.display}, table {table.id}"
    why = str(error).strip().splitlines()[0][:300]
    if state in _CONFLICTS:
        fix = "Run it again. On a standby: set hot_standby_feedback = on there, or raise max_standby_streaming_delay."
        return TransientError(what, where=where, why=why, fix=fix)
    fixes = [fix for beginning, fix in _FIXES.items() if state.startswith(beginning)]
    return TerminalError(
        what, where=where, why=why, fix=fixes[0] if fixes else "See the server's log. `pg_dump` would stop there, too."
    )


def _state_of(error: adbc_driver_manager.Error | psycopg.Error | OSError) -> str:
    if not isinstance(error, OSError):
        return error.sqlstate or ""
    return next((state for words, state in _STATES.items() if re.search(words, str(error))), "")
