"""The protocol's `Database` for a SQLite file: a restore is staged beside it, and promoted by one atomic rename."""

from __future__ import annotations

import glob
import os
import re
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.database_locks import SUFFIXES, LockKind
from edms_tasks.databases.protocol import CapturedSchema, Confirmed, RestorePreflight, ServerFacts
from edms_tasks.databases.refused_together import RefusedRow
from edms_tasks.databases.set_aside import require_set_aside
from edms_tasks.databases.sqlite.file_identity import beside, identity, require_same
from edms_tasks.databases.sqlite.merging import SqliteMerge, merging
from edms_tasks.databases.sqlite.restore_preflight import preflight
from edms_tasks.databases.sqlite.retired_file import opened
from edms_tasks.databases.sqlite.rows_alone import refused_rows
from edms_tasks.databases.sqlite.staging import SqliteStaging, remove_with_companions
from edms_tasks.databases.sqlite.using_processes import describe_users, users
from edms_tasks.databases.sqlite.view import IF_IT_IS_LOST, SqliteView, missing_file, open_view, require_readable
from edms_tasks.durable import flush_folder, write_durably
from edms_tasks.errors import DatabaseRefused, LockUnavailable, TargetExists, TargetInUse, TargetLocked, TerminalError
from edms_tasks.inventory.model import Table
from edms_tasks.locking.file_locks import FileLock, Wait, file_lock, give_up, locked_by
from edms_tasks.manifest import TableEntry
from edms_tasks.redaction import Redaction
from edms_tasks.scratch.disk_space import require_space


class SqliteDatabase:
    """A SQLite database file."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        # If the path is a link, the file itself: it is replaced on its own disk, and the link stays.
        self._path = Path(os.path.realpath(address.name))

    def check(self) -> ServerFacts:
        require_readable(self._path)
        if not self._path.is_file():
            raise missing_file(self._path)
        if not self._path.stat().st_size:
            raise DatabaseRefused(
                "The database file is empty.",
                where=str(self._path),
                fix=f"{IF_IT_IS_LOST} For a new EDMS, run its migrations first.",
            )
        try:
            with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise DatabaseRefused(
                "The database file cannot be read.", where=str(self._path), why=str(error), fix=IF_IT_IS_LOST
            ) from error
        return ServerFacts(
            engine="sqlite", version=sqlite3.sqlite_version, may_create_databases=os.access(self._path.parent, os.W_OK)
        )

    def sqlalchemy_url(self) -> str:
        return self.address.sqlalchemy_url()

    def check_source(self, scratch: Path) -> None:
        # Three times: the copy that is read, the raw rows and the serialized ones.
        require_space(scratch, 3 * self._path.stat().st_size, "the copy the backup reads from")

    def view(self, scratch: Path, jobs: int) -> AbstractContextManager[SqliteView]:
        return open_view(self.address, scratch)

    def merging(
        self, scratch: Path, tables: Sequence[Table], redaction: Redaction
    ) -> AbstractContextManager[SqliteMerge]:
        return merging(self.address, scratch)

    def check_target(self, into: str | None, *, promote: bool, disconnect: bool) -> tuple[str, ...]:
        if into is not None and os.path.lexists(into):
            raise TargetExists(
                f"The file {into} exists.", where=into, fix="Name another with --into, or remove that file."
            )
        folder = Path(into).absolute().parent if into else self._path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise TerminalError(
                "The folder for the restored database cannot be written.",
                where=str(folder),
                fix="Create it, or fix its permissions.",
            )
        if into is not None or not self._path.exists():
            return ()
        if promote:
            self._require_no_users()
        return self._other_names()

    def in_use(self) -> str | None:
        found = users(self._path)
        return describe_users(found) if found else None

    def stage(self, schema: CapturedSchema, into: str | None, jobs: int) -> SqliteStaging:
        # Beside its final path, because a rename cannot cross disks.
        path = beside(into or self.address.name, f".edms-staging-{secrets.token_hex(4)}")
        staging = SqliteStaging(self.address.renamed(str(path)), schema)
        try:
            staging.create_tables()
            self._open_to_the_edms(path)
        except BaseException:
            staging.drop()
            raise
        return staging

    @contextmanager
    def blank(self, into: str, folder: Path) -> Iterator[DatabaseAddress]:
        path = folder / "migrated.sqlite3"
        path.touch()
        try:
            yield self.address.renamed(str(path))
        finally:
            remove_with_companions(path)

    @contextmanager
    def replayed(self, schema: CapturedSchema, folder: Path) -> Iterator[DatabaseAddress]:
        path = folder / "replayed.sqlite3"
        staging = SqliteStaging(self.address.renamed(str(path)), schema)
        try:
            staging.create_tables()
            staging.finish((), ())
            staging.gather_statistics()
            yield staging.address
        finally:
            remove_with_companions(path)

    def preflight(
        self, schema: CapturedSchema, folder: Path, *, into: str | None = None, thorough: bool
    ) -> RestorePreflight:
        return preflight(self.address, schema, folder)

    def lock(
        self, name: str, kind: LockKind, *, shared: bool, purpose: str, wait: Wait = give_up
    ) -> AbstractContextManager[FileLock]:
        path = beside(name, SUFFIXES[kind])
        return file_lock(path, "this database", shared=shared, purpose=purpose, like=Path(name), wait=wait)

    def locked_by(self, name: str, kind: LockKind) -> TargetLocked | None:
        return locked_by(beside(name, SUFFIXES[kind]), "this database")

    def remove_leftovers(self, target: str) -> tuple[str, ...]:
        removed = list(_remove_staged_beside(target))
        if target != self.address.name:
            try:
                with self.lock(self.address.name, "work", shared=False, purpose="look for leftovers"):
                    removed += _remove_staged_beside(self.address.name)
            except (TargetLocked, LockUnavailable):
                pass  # another run uses them, or we may not remove them
            return tuple(removed)
        # A swap that was killed between its two calls leaves a second name of the live file.
        live = beside(self.address.name, "")
        for link in live.parent.glob(f"{glob.escape(live.name)}.previous-*"):
            if live.exists() and link.samefile(live):
                link.unlink()
                removed.append(str(link))
        return tuple(removed)

    def identity(self, name: str) -> str:
        return identity(Path(name))

    def refused_rows(self, entry: TableEntry, chunks: Sequence[Path]) -> Iterator[RefusedRow]:
        return refused_rows(self._path, entry, chunks)

    def exists(self, name: str) -> bool:
        return Path(name).exists()

    def previous_name(self, stamp: str) -> str:
        return f"{self._path}.previous-{stamp}"

    def swap(
        self,
        incoming: str,
        previous: str,
        *,
        expected: str,
        confirm: Callable[[], None],
        disconnect: bool,
        confirmed: Confirmed | None = None,
    ) -> None:
        """Keep the live file under another name (a hard link), then replace it in one step.

        The previous file refuses writes from then on, so that a process that still has it open gets an error (retired_file.py).
        """
        require_same(Path(incoming), expected)
        with opened(Path(incoming)) as coming:
            coming.revive()
        if not self._path.exists():
            confirm()
            self._put_live(incoming)
            self._note(confirmed)
            return
        with opened(self._path) as old, self._alone() as was_wal:
            confirm()
            Path(previous).unlink(missing_ok=True)
            os.link(self._path, previous)
            self._put_live(incoming)
            old.retire(was_wal=was_wal)
        self._note(confirmed)

    def drop_set_aside(self, name: str, expected: str) -> None:
        path = Path(name)
        require_set_aside(self.identity(name), expected, self.identity(self.address.name), name)
        if found := users(path):
            raise TargetInUse("The database that was set aside is in use.", where=name, why=describe_users(found))
        remove_with_companions(path)

    def finish_swap(self, previous: str, confirmed: Confirmed | None) -> None:
        """Mark the previous file as read-only: a kill may have come after the rename and before the mark."""
        if Path(previous).exists():
            with opened(Path(previous)) as old:
                old.retire(was_wal=False)  # the swap ends WAL mode before the rename
        self._note(confirmed)

    def promoted_by(self, confirmation: str) -> str:
        for line in self._confirmations():
            by, _, stamp = line.partition(" ")
            if by == confirmation:
                return stamp
        return ""

    @property
    def _noted(self) -> Path:
        """The file with used confirmations, beside the database, so that it works from every work folder."""
        return beside(self.address.name, ".edms-confirmed")

    def _confirmations(self) -> list[str]:
        try:
            return self._noted.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _note(self, confirmed: Confirmed | None) -> None:
        if confirmed is not None and not self.promoted_by(confirmed.by):
            lines = [*self._confirmations(), f"{confirmed.by} {confirmed.stamp}"]
            write_durably(self._noted, "".join(f"{line}\n" for line in lines))

    def _put_live(self, incoming: str) -> None:
        # A log of the old file must never be replayed onto the new one; `_alone` has checkpointed it.
        for suffix in ("-wal", "-shm", "-journal"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        os.replace(incoming, self._path)
        flush_folder(self._path.parent)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Hold the live file's exclusive lock, with its log checkpointed; yields whether it was in WAL mode. Raises TargetInUse."""
        inode = self._path.stat().st_ino
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=5)) as connection:
            was_wal = False
            try:
                was_wal = _is_wal(connection)
                self._lock(connection, was_wal=was_wal)
                self._require_no_users(locks=False)
                yield was_wal
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if was_wal and self._path.stat().st_ino == inode:  # it was not swapped, so it gets its mode back
                    connection.execute("PRAGMA journal_mode = WAL")

    def _lock(self, connection: sqlite3.Connection, *, was_wal: bool) -> None:
        """Take the exclusive lock. Leaving WAL mode is SQLite's own test that no other connection exists, idle or not."""
        try:
            if was_wal and str(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]) == "wal":
                raise sqlite3.OperationalError("the write-ahead log is in use")
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.DatabaseError as error:
            if "locked" in str(error) or "in use" in str(error):
                raise self._used(str(error)) from error
            # Other errors: the live file is damaged. A restore replaces it and keeps it as it is.

    def _require_no_users(self, *, locks: bool = True) -> None:
        if found := users(self._path, locks=locks):
            raise self._used(describe_users(found))

    def _used(self, why: str) -> TargetInUse:
        return TargetInUse(
            "The live database is in use, so it cannot be swapped.",
            where=str(self._path),
            why=why,
            fix="Stop the EDMS (web server, workers, shells), then run the restore again. An idle connection counts: "
            "what it commits after the swap would be lost.",
        )

    def _other_names(self) -> tuple[str, ...]:
        names = self._path.stat().st_nlink
        if names == 1:
            return ()
        return (
            f"The database file has {names} names (hard links). Only {self._path} becomes the restored one; the others keep the "
            "previous database, which then refuses writes.",
        )

    def _open_to_the_edms(self, path: Path) -> None:
        """Give a file the owner and permissions of the live one, because the EDMS may run as another user."""
        if not self._path.exists():
            return
        live = self._path.stat()
        if os.geteuid() == 0:
            os.chown(path, live.st_uid, live.st_gid)
        path.chmod(stat.S_IMODE(live.st_mode) | stat.S_IRUSR | stat.S_IWUSR)


def _is_wal(connection: sqlite3.Connection) -> bool:
    try:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"
    except sqlite3.DatabaseError:
        return False  # damaged


def _remove_staged_beside(name: str) -> Iterator[str]:
    """Remove the staging files of killed runs and yield their paths. The caller holds the database's lock."""
    live = beside(name, "")
    for path in sorted(live.parent.glob(f"{glob.escape(live.name)}.edms-staging*")):
        if re.fullmatch(r"\.edms-staging(-[0-9a-f]{8})?", path.name.removeprefix(live.name)):
            remove_with_companions(path)
            yield str(path)
