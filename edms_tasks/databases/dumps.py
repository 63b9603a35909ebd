"""Dumps that an engine's own tools made, restored into a throwaway database that a snapshot can be made of.

The engine's folder does it: `postgresql/dump_restoring.py`, `sqlite/dump_restoring.py`. A dump may be damaged or hostile: what it
lacks is a finding, and nothing but the throwaway database is ever touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Finding

DumpForm = Literal["pg_dump-custom", "pg_dump-directory", "pg_dump-tar", "pg_dump-plain", "sqlite-file", "sqlite-text"]


@dataclass(frozen=True)
class DumpLimits:
    """What may be spent on a dump, which may be hostile, or without an end."""

    seconds: float = 12 * 3600.0  # on its statements
    size: int = 1 << 40  # bytes of its database


@dataclass(frozen=True)
class Dump:
    """A dump.

    Args:
        form: what it is.
        path: the file, or the folder.
        opened: opens it decompressed; reading raises one of `damage` where it is damaged. For texts.
        damage: whether an exception comes from damaged data.
        limits: what may be spent on it.
    """

    form: DumpForm
    path: Path
    opened: Callable[[], AbstractContextManager[IO[bytes]]]
    damage: Callable[[BaseException], bool]
    limits: DumpLimits = DumpLimits()

    @property
    def needs_a_server(self) -> bool:
        """Whether it can only be read by a database server."""
        return self.form.startswith("pg_dump")


@dataclass(frozen=True)
class DumpContents:
    """What a dump holds, without anything being restored."""

    rows: Mapping[str, int]  # table -> rows
    facts: Mapping[str, str] = field(default_factory=dict)  # for people
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class RestoredDump:
    """A dump in a throwaway database, and what of it could not be restored."""

    address: DatabaseAddress
    contents: DumpContents
    findings: tuple[Finding, ...]


def examine_dump(dump: Dump, *, database: str = "", client_programs: str = "") -> DumpContents:
    """What a dump holds; writes nothing and needs no server.

    Args:
        dump: the dump.
        database: which one, of a dump of several databases.
        client_programs: the folder of pg_restore; "" for the best that is found.

    Raises:
        DumpRefused: it has statements that no dump needs, or holds several databases and none of this name.
        DumpLimitReached: to check it takes longer than it may.
        UnreadableBackup: it holds no table, or is too damaged.
        ToolMissing: it needs a program that is not installed.
    """
    if dump.needs_a_server:
        from edms_tasks.databases.postgresql.dump_restoring import examine as examine_archive

        return examine_archive(dump, database, client_programs)
    from edms_tasks.databases.sqlite.dump_restoring import examine

    return examine(dump)


@contextmanager
def restored_dump(
    dump: Dump, server: DatabaseAddress | None, folder: Path, *, database: str = ""
) -> Iterator[RestoredDump]:
    """Restore a dump into a throwaway database, which is removed at the end whatever happens.

    Args:
        dump: the dump.
        server: a database of the server to use; needed for a dump of a database server.
        folder: for a database that is a file.
        database: which one, of a dump of several databases.

    Raises:
        DumpRefused, UnreadableBackup: see `examine_dump`.
        DumpLimitReached: its statements take longer, or its database more room, than they may.
        SettingsError: the dump needs a server, and there is none.
        MayNotCreateDatabases, ServerNotReady, ToolMissing, TransientError: the server cannot restore it.
    """
    if dump.needs_a_server:
        if server is None or server.is_file:
            raise SettingsError(
                "The dump can only be restored by a PostgreSQL server, and the settings name none.",
                where=str(dump.path),
                fix="Name one, on which a database is created and dropped again: EDMS_BACKUP__RESTORE__DATABASE=postgresql://user:password@"
                "host/postgres.",
            )
        from edms_tasks.databases.postgresql.database import PostgresDatabase

        with PostgresDatabase(server).restored_dump(dump, database) as restored:
            yield restored
        return
    from edms_tasks.databases.sqlite.dump_restoring import restored as restored_file

    with restored_file(dump, folder) as restored:
        yield restored
