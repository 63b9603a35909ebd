"""What other rooms ask about an engine, so that engines are named only in this room and in the conversion's."""

from __future__ import annotations

DJANGO_BACKENDS = {"postgresql": "django.db.backends.postgresql", "sqlite": "django.db.backends.sqlite3"}
"""Engine -> Django's ENGINE."""


def is_file(engine: str) -> bool:
    """Whether a database is a file, without a server."""
    return engine == "sqlite"


def columns_hold_anything(engine: str) -> bool:
    """Whether a column's declared type does not bind its values: a number and the text of its digits have one digest."""
    return engine == "sqlite"


def reads_parts_of_tables(engine: str) -> bool:
    """Whether rows of a table may lie in others: partitions, child tables."""
    return engine == "postgresql"


def engine_of_url(sqlalchemy_url: str) -> str:
    """The engine that a SQLAlchemy URL is for."""
    from sqlalchemy import make_url

    return make_url(sqlalchemy_url).get_backend_name()
