"""A staging database that processes on other machines load: each its own tables, in transactions of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.generated_columns import GeneratedTables
from edms_tasks.databases.postgresql.loading_sessions import LoadingSessions
from edms_tasks.databases.postgresql.table_loading import load_table
from edms_tasks.manifest import TableEntry


@dataclass(frozen=True)
class SharedStaging:
    """What another process needs to load tables of a staging database.

    Args:
        address: the staging database.
        settings: the settings of the EDMS's sessions with which rows are loaded.
        as_written: the tables whose generated columns come as they were.
    """

    address: DatabaseAddress
    settings: Mapping[str, str]
    as_written: GeneratedTables

    @contextmanager
    def opened(self) -> Iterator[_Loader]:
        """The staging database, with one session."""
        with closing(LoadingSessions(self.address)) as sessions:
            yield _Loader(self.address, self, sessions)


@dataclass(frozen=True)
class _Loader:
    address: DatabaseAddress
    shared: SharedStaging
    sessions: LoadingSessions

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """Load a table's chunks; returns the number of rows that the database reports as loaded."""
        return load_table(self.sessions, self.shared.as_written, self.shared.settings, entry, chunks, self.address)
