"""SQLite: `database.py` the file, `catalogue.py` what it holds, `view.py` reading, `staging.py` building."""

from edms_tasks.databases.sqlite.database import SqliteDatabase

__all__ = ["SqliteDatabase"]
