"""Compute stored generated columns anew: of rows that were loaded without them, since only the EDMS's connection has their functions."""

from __future__ import annotations

import sqlite3

from edms_tasks.quoting import identifier, literal

_ORDINARY = 0  # "hidden" in PRAGMA table_xinfo


def computing(connection: sqlite3.Connection, table: str) -> str:
    """A statement after which a table's stored generated columns are what its definition computes.

    SQLite computes them where a column is assigned that they depend on, whatever its value.
    """
    rows = connection.execute(f"PRAGMA table_xinfo({literal(table)})").fetchall()
    assigned = ", ".join(
        f"{identifier(str(row[1]))} = {identifier(str(row[1]))}" for row in rows if row[6] == _ORDINARY
    )
    return f"UPDATE {identifier(table)} SET {assigned}"
