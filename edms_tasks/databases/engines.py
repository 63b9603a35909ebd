"""Facts about engines for other rooms, so that only this room and the conversion's name engines."""

from __future__ import annotations

DJANGO_BACKENDS = {"postgresql": "django.db.backends.postgresql", "sqlite": "django.db.backends.sqlite3"}
"""Engine -> Django's ENGINE."""


def is_file(engine: str) -> bool:
    """Whether a database is a file, without a server."""
    return engine == "sqlite"


def columns_hold_anything(engine: str) -> bool:
    """Whether columns store values of any type: the digests of a number and of its digits as text are then equal."""
    return engine == "sqlite"


def reads_parts_of_tables(engine: str) -> bool:
    """Whether a table's rows may be stored in other tables: partitions, child tables."""
    return engine == "postgresql"


def engine_of_url(sqlalchemy_url: str) -> str:
    """The engine that a SQLAlchemy URL is for."""
    from sqlalchemy import make_url

    return make_url(sqlalchemy_url).get_backend_name()
