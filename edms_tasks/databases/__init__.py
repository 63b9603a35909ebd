"""Databases: one folder for each engine, behind one small protocol.

`address.py` is the address of a database, `protocol.py` what every engine can do; `postgresql/` and `sqlite/` implement
it. Nothing outside this room and the conversion's knows which engine it uses.
"""

from __future__ import annotations

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.protocol import Database
from edms_tasks.errors import UnsupportedEngine

__all__ = ["Database", "DatabaseAddress", "open_database"]


def open_database(address: DatabaseAddress) -> Database:
    """The engine's implementation for an address; it does not connect yet. Raises UnsupportedEngine."""
    if address.engine == "postgresql":
        from edms_tasks.databases.postgresql import PostgresDatabase

        return PostgresDatabase(address)
    if address.engine == "sqlite":
        from edms_tasks.databases.sqlite import SqliteDatabase

        return SqliteDatabase(address)
    raise UnsupportedEngine(
        f"The database engine {address.engine!r} is not supported.",
        where=address.display,
        fix="PostgreSQL and SQLite are supported. For MySQL, MariaDB and Oracle use the engine's own backup.",
    )
