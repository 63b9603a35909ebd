"""Databases: one folder for each engine, behind one small protocol.

`address.py` says where a database is, `protocol.py` what every engine can do, `postgresql.py` and `sqlite.py` how.
Nothing outside this room knows which engine it talks to.
"""

from __future__ import annotations

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.protocol import Database
from edms_tasks.errors import UnsupportedEngine

__all__ = ["Database", "DatabaseAddress", "open_database"]


def open_database(address: DatabaseAddress) -> Database:
    """The engine's implementation for an address; connects to nothing yet."""
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
