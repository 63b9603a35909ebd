"""The EDMS whose snapshots, made by release 0.1.0 (commit 92b950f), stand in `earlier_releases/`.

Its rows are written here, so that what comes back is held against what was put in, and not against the snapshots.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

MODELS = """
import uuid
class Document(models.Model):
    number = models.CharField(max_length=40, unique=True)
    file = models.FileField()
    address = models.GenericIPAddressField(null=True)
    cost = models.DecimalField(max_digits=12, decimal_places=4)
    label = models.UUIDField(default=uuid.uuid4)
    notes = models.JSONField(default=dict)
    made = models.DateTimeField()
    took = models.DurationField()
class Comment(models.Model):
    document = models.ForeignKey(Document, models.CASCADE)
    text = models.TextField()
    class Meta:
        unique_together = [("document", "text")]
"""
ROWS = """
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID
for number in range(1, 6):
    Document.objects.create(
        number=f"SOP-{number}", file=f"in/{number}.txt", cost=Decimal(number) / 4, label=UUID(int=number),
        address=["192.0.2.7", "2001:db8::1", None, "10.0.0.0", "::"][number - 1], notes={"n": [number, "é"]},
        made=datetime(2026, 1, number, 12, 30, 15, 250000, tzinfo=timezone.utc), took=timedelta(days=number, microseconds=7),
    )
    Comment.objects.create(document_id=number, text=f"On {number}\\nsecond line")
"""
FILES = {f"in/{number}.txt": f"the text of document {number}\n" for number in range(1, 6)}
# Tables that no model knows, with what each engine has of its own.
BESIDE: dict[str, Sequence[str]] = {
    "postgresql": (
        "CREATE EXTENSION citext",
        "CREATE TYPE mood AS ENUM ('calm', 'LOUD')",
        "CREATE TABLE kinds (id integer PRIMARY KEY, code char(8) UNIQUE, net inet, block cidr, blank bpchar, feeling mood,"
        " pair int4range, many text[], span interval, whole numeric)",
        "INSERT INTO kinds VALUES (1, 'ab', '192.0.2.0/24', '192.0.2.0/24', 'x', 'LOUD', '[1,5)', '{a,\"b c\"}', '1 mon 2 days', 1.50),"
        " (2, 'abcdefgh', '::1', '::/0', '', 'calm', 'empty', '{}', '00:00:00.000001', 'NaN')",
        "INSERT INTO kinds (id) VALUES (3)",
        "CREATE TABLE uses (id integer PRIMARY KEY, code char(8) REFERENCES kinds (code), said citext)",
        "INSERT INTO uses VALUES (1, 'ab', 'Said'), (2, 'abcdefgh', NULL)",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$",
        "CREATE TRIGGER kept BEFORE DELETE ON kinds FOR EACH ROW EXECUTE FUNCTION refuse()",
        "CREATE VIEW loud AS SELECT id FROM kinds WHERE feeling = 'LOUD'",
    ),
    "sqlite": (
        "CREATE TABLE kinds (id TEXT PRIMARY KEY, anything, real REAL, bytes BLOB)",
        "INSERT INTO kinds VALUES ('a', 10, 1.5, x'00ff'), ('b', '10', 2, NULL), ('c', x'31', NULL, x''), ('d', 2.5, 1e300, NULL)",
        "CREATE TRIGGER kept BEFORE DELETE ON kinds BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE VIEW whole AS SELECT id FROM kinds WHERE typeof(anything) = 'integer'",
    ),
}
# Before the second snapshot, so that it stands on the first: a row of many is new, one is changed, one is gone.
SECOND = (
    "UPDATE small_comment SET text = 'changed' WHERE id = 2",
    "DELETE FROM small_comment WHERE id = 3",
    "INSERT INTO small_comment (id, document_id, text) VALUES (77, 1, 'later')",
)


def django_settings(url: str | None) -> str:
    """Lines for its settings: the media folder, and the database at `url` (None: its SQLite file)."""
    text = "MEDIA_ROOT = str(BASE / 'media')"
    if url is None:
        return text
    parts = urlsplit(url)
    return (
        f"{text}\nDATABASES = {{'default': {{'ENGINE': 'django.db.backends.postgresql', 'NAME': {parts.path[1:]!r}, "
        f"'HOST': {parts.hostname!r}, 'PORT': '{parts.port}', 'USER': {parts.username!r}, 'PASSWORD': {parts.password or ''!r}}}}}"
    )


def execute(project: Path, url: str | None, statements: Sequence[str]) -> None:
    """Run statements in its database, by the engine's own driver."""
    if url is None:
        with closing(sqlite3.connect(_file(project))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
    else:
        with psycopg.connect(url) as connection:
            for statement in statements:
                connection.execute(statement.encode())


def asked(project: Path, url: str | None, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query; of PostgreSQL every value as the server sends it."""
    if url is None:
        with closing(sqlite3.connect(_file(project))) as connection:
            return connection.execute(query).fetchall()
    with psycopg.connect(url) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        result = connection.execute(query.encode()).pgresult
        assert result is not None
        return [
            tuple(
                None if (value := result.get_value(row, column)) is None else value.decode()
                for column in range(result.nfields)
            )
            for row in range(result.ntuples)
        ]


def _file(project: Path) -> Path:
    (found,) = project.glob("*.sqlite3")
    return found
