"""PostgreSQL: `database.py` the server, `catalogue.py` what it holds, `view.py` reading, `staging.py` building."""

from edms_tasks.databases.postgresql.database import PostgresDatabase

__all__ = ["PostgresDatabase"]
