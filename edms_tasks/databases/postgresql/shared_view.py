"""An exported snapshot, which sessions on other machines import: all of them read the same state of the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.errors import InvalidParameterValue, UndefinedObject

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import OwnNames, connected
from edms_tasks.errors import DatabaseRefused
from edms_tasks.quoting import literal

if TYPE_CHECKING:
    from edms_tasks.databases.postgresql.view import PostgresView


@dataclass(frozen=True)
class SharedView:
    """What another process needs to read what a view reads, while the session that exported the snapshot is open.

    Args:
        address: the database.
        snapshot: the name of the exported snapshot.
        own: the settings of the EDMS's sessions.
        cast: table id -> columns that are read by a cast to text.
    """

    address: DatabaseAddress
    snapshot: str
    own: OwnNames
    cast: Mapping[str, frozenset[str]]

    @contextmanager
    def opened(self) -> Iterator[PostgresView]:
        """A view with one reader. Raises DatabaseRefused."""
        from edms_tasks.databases.postgresql.view import PostgresView

        with connected(self.address, autocommit=False) as connection:
            try:
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                connection.execute(f"SET TRANSACTION SNAPSHOT {literal(self.snapshot)}".encode())
            except (UndefinedObject, InvalidParameterValue) as error:
                raise DatabaseRefused(
                    "The snapshot that all readers share is not on this server.",
                    where=self.address.display,
                    why=str(error).strip(),
                    fix="All workers must reach the very server that the coordinator reads, not a standby of it.",
                ) from error
            view = PostgresView(self.address, connection, self.snapshot, self.own, 1).encoding_like(self.cast)
            try:
                yield view
            finally:
                view.close()
