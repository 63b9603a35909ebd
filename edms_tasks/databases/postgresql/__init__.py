"""PostgreSQL: `database.py` implements the protocol, `catalogue.py` reads the schema, `view.py` the rows; `staging.py` restores."""

from edms_tasks.databases.postgresql.database import PostgresDatabase

__all__ = ["PostgresDatabase"]
