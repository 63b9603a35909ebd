"""SQLite: `database.py` implements the protocol, `catalogue.py` reads the schema, `view.py` the rows; `staging.py` restores."""

from edms_tasks.databases.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
