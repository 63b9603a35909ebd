"""SQL straight into an EDMS's database, past Django and past the product: to look, to damage, to make trouble."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg

from tests.reference_system import ReferenceEdms


def query(edms: ReferenceEdms, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a SELECT."""
    if edms.engine == "sqlite":
        with closing(sqlite3.connect(edms.database_path)) as connection:
            return connection.execute(statement).fetchall()
    with psycopg.connect(edms.database_url, autocommit=True) as session:
        return session.execute(statement.encode()).fetchall()


def execute(edms: ReferenceEdms, *statements: str) -> None:
    """Run statements; foreign keys and triggers do not interfere."""
    if edms.engine == "sqlite":
        with closing(sqlite3.connect(edms.database_path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return
    with psycopg.connect(edms.database_url, autocommit=True) as session:
        session.execute("SET session_replication_role = replica")
        for statement in statements:
            session.execute(statement.encode())


def spoil(edms: ReferenceEdms) -> None:
    """Make the live system another than its last backup, as a bad night does: a restore must then be visible."""
    execute(edms, "UPDATE documents_document SET title = 'spoiled'", "DELETE FROM documents_documentcomment")
    spoiled = next(path for path in sorted(edms.media.rglob("*")) if path.is_file())
    spoiled.write_bytes(b"spoiled")
    (edms.media / "written after the backup").write_bytes(b"new")
