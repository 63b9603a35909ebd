"""The event triggers of extensions, which would fire for every statement that restores the schema.

They are disabled in a staging database from the load of the rows until everything else is as it was. Those of the EDMS do not
exist before that.
"""

from __future__ import annotations

import psycopg

from edms_tasks.databases.postgresql.refusable_statements import attempt
from edms_tasks.quoting import identifier

_MODES = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}

Connection = psycopg.Connection[tuple[object, ...]]


def disable_event_triggers(connection: Connection) -> tuple[str, ...]:
    """Disable those that this role may disable, and return the statements that enable them again."""
    rows = connection.execute(
        """
        SELECT evtname, evtenabled::text FROM pg_catalog.pg_event_trigger e
        WHERE evtenabled <> 'D' AND EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e'
        )
        ORDER BY 1
        """
    ).fetchall()
    return tuple(
        f"ALTER EVENT TRIGGER {identifier(str(name))} {_MODES[str(mode)]}"
        for name, mode in rows
        if attempt(connection, f"ALTER EVENT TRIGGER {identifier(str(name))} DISABLE".encode()) is None
    )
