"""The protocol's `Database` for PostgreSQL: staging databases, and the atomic swap that promotes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psycopg
from psycopg import errors as pg_errors

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.database_locks import LockKind
from edms_tasks.databases.dumps import Dump, RestoredDump
from edms_tasks.databases.postgresql.abandoned_databases import STAGING, fitting, remove_leftovers, unique_name
from edms_tasks.databases.postgresql.advisory_locks import AdvisoryLock, advisory_lock, locked_by
from edms_tasks.databases.postgresql.connection import ask_server, connected, open_connection
from edms_tasks.databases.postgresql.database_creation import (
    exists,
    may_create,
    may_not_create,
    may_not_rename,
    may_rename,
)
from edms_tasks.databases.postgresql.dump_restoring import restored
from edms_tasks.databases.postgresql.empty_database import borrowed, created
from edms_tasks.databases.postgresql.merging import PostgresMerge, merging
from edms_tasks.databases.postgresql.pg_dump import required_programs
from edms_tasks.databases.postgresql.promotion_comment import note, noted
from edms_tasks.databases.postgresql.properties import closing_statements
from edms_tasks.databases.postgresql.restore_preflight import preflight
from edms_tasks.databases.postgresql.rows_alone import refused_rows
from edms_tasks.databases.postgresql.staging import PostgresStaging
from edms_tasks.databases.postgresql.staging_comment import closing_of, target_of
from edms_tasks.databases.postgresql.staging_properties import StagingProperties
from edms_tasks.databases.postgresql.subscriptions import drop_made
from edms_tasks.databases.postgresql.view import PostgresView, open_view
from edms_tasks.databases.protocol import CapturedSchema, Confirmed, RestorePreflight, ServerFacts
from edms_tasks.databases.refused_together import RefusedRow
from edms_tasks.databases.set_aside import require_set_aside
from edms_tasks.errors import (
    DatabaseRefused,
    MayNotCreateDatabases,
    TargetChanged,
    TargetExists,
    TargetInUse,
    TargetLocked,
    TerminalError,
)
from edms_tasks.inventory.model import Table
from edms_tasks.locking.file_locks import Wait, give_up
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier
from edms_tasks.redaction import Redaction

_MIGRATED, _REPLAYED = "_edms_migrated", "_edms_replayed"

_OF_A_ROLE = "usesysid IS NOT NULL"
"""The sessions that keep a database from being renamed, those of replication and of background workers too. The server itself ends its
vacuums, which have no role."""


class PostgresDatabase:
    """A database on a PostgreSQL server. A restore also uses other databases of the server."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        self._answering: DatabaseAddress | None = None

    def check(self) -> ServerFacts:
        with connected(self.address) as connection:
            row = connection.execute(
                "SELECT current_setting('server_version'), rolcreatedb OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
            ).fetchone()
            version = connection.info.server_version
        assert row is not None  # the current role exists
        programs = required_programs(self.address, version)
        return ServerFacts("postgresql", str(row[0]), may_create_databases=bool(row[1]), programs=programs)

    def sqlalchemy_url(self) -> str:
        # As in our own sessions: an error instead of hidden rows.
        return ask_server(self.address).settled.with_settings({"row_security": "off"}).sqlalchemy_url()

    def check_source(self, scratch: Path) -> None:
        with connected(self.address) as connection:
            # pg_restore too, so that a restore will find it.
            required_programs(self.address, connection.info.server_version)

    def view(self, scratch: Path, jobs: int) -> AbstractContextManager[PostgresView]:
        return open_view(self.address, jobs)

    def merging(
        self, scratch: Path, tables: Sequence[Table], redaction: Redaction
    ) -> AbstractContextManager[PostgresMerge]:
        return merging(self.address, tables, redaction)

    def check_target(self, into: str | None, *, promote: bool, disconnect: bool) -> tuple[str, ...]:
        with self._maintenance() as connection:
            required_programs(self.address, connection.info.server_version)
            if into is not None and exists(connection, into):
                if not self._is_empty(into):
                    raise TargetExists(
                        f"The database {into!r} exists and is not empty.",
                        where=self.address.renamed(into).display,
                        fix="Name another with --into, or drop that one.",
                    )
                return (f"The empty database {into!r} is used as it is.",)
            self._require_createdb(connection)
            if into is None:
                self._require_may_rename(connection)
            if promote and not disconnect:
                self._require_nobody(connection, self.address.name, but_us=True)
        return ()

    def in_use(self) -> str | None:
        with self._maintenance() as connection:
            try:
                self._require_nobody(connection, self.address.name, but_us=True)
            except TargetInUse as error:
                return f"{error.what} {error.fix}"
        return None

    def stage(self, schema: CapturedSchema, into: str | None, jobs: int) -> PostgresStaging:
        with self._maintenance() as connection:
            there = into is not None and exists(connection, into)
            final = into or self.address.name
            name = final if there else unique_name(final, STAGING)
            whole = StagingProperties(schema, final, created=not there)
            # Reads the schema: before a database is created for it.
            staging = PostgresStaging(self.address.renamed(name), self._maintenance_address(), schema, jobs, whole)
            if not there:
                whole.create(connection, name, self.address.name)
        try:
            staging.create_tables()
        except BaseException:
            staging.drop()
            raise
        return staging

    def blank(self, into: str, folder: Path) -> AbstractContextManager[DatabaseAddress]:
        name = unique_name(into, _MIGRATED)
        with self._maintenance() as connection:
            if exists(connection, into) and not may_create(connection):
                return borrowed(self.address.renamed(into))
            self._require_createdb(connection)
        return created(self.address.renamed(name), self._maintenance_address(), into)

    @contextmanager
    def replayed(self, schema: CapturedSchema, folder: Path) -> Iterator[DatabaseAddress]:
        with self._maintenance() as connection:
            self._require_createdb(connection)
            # The caller holds the lock of the database that the staging database was created for.
            target = target_of(str(self._comment(connection, self.address.name) or "")) or self.address.name
            name = unique_name(target, _REPLAYED)
            whole = StagingProperties(schema, target, created=True)
            whole.create(connection, name, self.address.name)
        staging = PostgresStaging(self.address.renamed(name), self._maintenance_address(), schema, 1, whole)
        try:
            try:
                staging.create_tables()
                staging.finish((), ())
            except psycopg.Error as error:
                raise TerminalError(
                    "The snapshot's schema could not be created a second time.",
                    where=staging.address.display,
                    why=str(error).strip()[:1000],
                ) from error
            yield staging.address
        finally:
            staging.drop()

    def restored_dump(self, dump: Dump, database: str) -> AbstractContextManager[RestoredDump]:
        """See `dumps.restored_dump`; a database and a role are created on this server."""
        return restored(dump, self.address, self._maintenance_address(), database)

    def preflight(
        self, schema: CapturedSchema, folder: Path, *, into: str | None = None, thorough: bool
    ) -> RestorePreflight:
        return preflight(self.address, self._maintenance_address, schema, into, thorough=thorough)

    def lock(
        self, name: str, kind: LockKind, *, shared: bool, purpose: str, wait: Wait = give_up
    ) -> AbstractContextManager[AdvisoryLock]:
        return advisory_lock(self._maintenance_address(), name, kind, shared=shared, purpose=purpose, wait=wait)

    def locked_by(self, name: str, kind: LockKind) -> TargetLocked | None:
        return locked_by(self._maintenance_address(), name, kind)

    def remove_leftovers(self, target: str) -> tuple[str, ...]:
        return remove_leftovers(self._maintenance_address(), self.address.name, target, (STAGING, _MIGRATED, _REPLAYED))

    def refused_rows(self, entry: TableEntry, chunks: Sequence[Path]) -> Iterator[RefusedRow]:
        return refused_rows(self.address, entry, chunks)

    def exists(self, name: str) -> bool:
        with self._maintenance() as connection:
            return exists(connection, name)

    def identity(self, name: str) -> str:
        with self._maintenance() as connection:
            return self._identity(connection, name)

    def previous_name(self, stamp: str) -> str:
        return fitting(self.address.name, f"_previous_{stamp}")

    def drop_set_aside(self, name: str, expected: str) -> None:
        with self._maintenance() as connection:
            live = self._identity(connection, self.address.name)
            require_set_aside(self._identity(connection, name), expected, live, name)
            try:
                self._require_nobody(connection, name)
            except TargetInUse as error:
                raise TargetInUse("The database that was set aside is in use.", where=name, why=error.why) from error
            try:
                drop_made(connection, self._maintenance_address(), name)
            except psycopg.Error as error:
                raise TerminalError(
                    "The database that was set aside cannot be dropped.",
                    where=self.address.renamed(name).display,
                    why=str(error).splitlines()[0],
                    fix="Drop it by hand, as its owner.",
                ) from error

    def finish_swap(self, previous: str, confirmed: Confirmed | None) -> None:
        """Do nothing: the swap is one transaction."""

    def promoted_by(self, confirmation: str) -> str:
        with self._maintenance() as connection:
            return noted(connection, confirmation)

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
        """Rename both databases in one transaction: other sessions see both renames or neither."""
        live = self.address.name
        with self._maintenance() as connection:
            live_exists = exists(connection, live)
            for name in ([live] if live_exists else []) + [incoming]:
                if disconnect:
                    self._end_sessions(connection, name)
                elif name == live:
                    self._require_nobody(connection, name)
            try:
                with connection.transaction():
                    if live_exists:
                        connection.execute(
                            f"ALTER DATABASE {identifier(live)} RENAME TO {identifier(previous)}".encode()
                        )
                    connection.execute(f"ALTER DATABASE {identifier(incoming)} RENAME TO {identifier(live)}".encode())
                    # Checked after the rename, because nobody else can replace it until this transaction ends.
                    if expected and (found := self._identity(connection, live)) != expected:
                        raise self._changed(incoming, expected, found)
                    connection.execute(f"ALTER DATABASE {identifier(live)} ALLOW_CONNECTIONS true".encode())
                    closing = closing_of(self._comment(connection, live))
                    for statement in closing_statements(live, closing) if closing else ():
                        connection.execute(statement.encode())
                    if confirmed is not None:
                        note(connection, live, confirmed.stamp, confirmed.by)
                    confirm()
            except pg_errors.ObjectInUse as error:
                raise self._in_use(connection, live, str(error)) from error
            except pg_errors.InsufficientPrivilege as error:
                raise self._may_not_rename(connection) from error

    def _end_sessions(self, connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
        """End the sessions of a database. Raises TargetInUse if this role may not end one of them."""
        try:
            connection.execute(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
                f"WHERE datname = %s AND pid <> pg_catalog.pg_backend_pid() AND {_OF_A_ROLE}",
                (name,),
            )
        except pg_errors.InsufficientPrivilege as error:
            raise self._in_use(connection, name, f"This role may not end their connections: {error}.") from error

    def _comment(self, connection: psycopg.Connection[tuple[object, ...]], name: str) -> object:
        row = connection.execute(
            "SELECT pg_catalog.shobj_description(oid, 'pg_database') FROM pg_catalog.pg_database WHERE datname = %s",
            (name,),
        ).fetchone()
        return row[0] if row else None

    def _is_empty(self, name: str) -> bool:
        """Whether the database is empty, not counting schemas and the objects of extensions."""
        with connected(self.address.renamed(name)) as connection:
            row = connection.execute(
                """
                WITH made AS (
                    SELECT 'pg_class'::regclass AS catalogue, oid, relnamespace AS schema FROM pg_catalog.pg_class
                    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
                    UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_catalog.pg_proc
                    UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace FROM pg_catalog.pg_type WHERE typtype IN ('d', 'e', 'r')
                )
                SELECT count(*) FROM made JOIN pg_catalog.pg_namespace n ON n.oid = made.schema
                WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = made.catalogue AND d.objid = made.oid AND d.deptype = 'e'
                )
                """
            ).fetchone()
        return row is not None and row[0] == 0

    def _require_createdb(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if not may_create(connection):
            raise self._may_not_create()

    def _may_not_create(self) -> MayNotCreateDatabases:
        return may_not_create(self.address.user or "the role", self.address.display)

    def _require_may_rename(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if not may_rename(connection, self.address.name):
            raise self._may_not_rename(connection)

    def _may_not_rename(self, connection: psycopg.Connection[tuple[object, ...]]) -> MayNotCreateDatabases:
        return may_not_rename(connection, connection.info.user, self.address.name, self.address.display)

    def _require_nobody(
        self, connection: psycopg.Connection[tuple[object, ...]], name: str, *, but_us: bool = False
    ) -> None:
        """Raise TargetInUse if sessions are connected. With `but_us`, our backups do not count: the lock makes the swap wait."""
        row = connection.execute(
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = %s AND pid <> pg_catalog.pg_backend_pid() "
            f"AND {_OF_A_ROLE} AND NOT (%s AND application_name = 'edms-backup')",
            (name, but_us),
        ).fetchone()
        if row and row[0]:
            raise self._in_use(
                connection, name, f"{row[0]} {'connection is' if row[0] == 1 else 'connections are'} open."
            )

    def _in_use(self, connection: psycopg.Connection[tuple[object, ...]], name: str, why: str) -> TargetInUse:
        rows = connection.execute(
            "SELECT DISTINCT coalesce(nullif(application_name, ''), 'unnamed') || ' as ' || usename "
            "|| coalesce(' (' || nullif(backend_type, 'client backend') || ')', '') "
            "FROM pg_catalog.pg_stat_activity WHERE datname = %s AND pid <> pg_catalog.pg_backend_pid() "
            f"AND {_OF_A_ROLE} ORDER BY 1 LIMIT 5",
            (name,),
        ).fetchall()
        who = ", ".join(str(row[0]) for row in rows)
        return TargetInUse(
            "The live database is in use, so it cannot be swapped.",
            where=self.address.display,
            why=f"{why} Connected: {who or 'nobody now'}",
            fix="Stop the EDMS (web server and workers), or set [restore] disconnect = true to end its connections.",
        )

    def _identity(self, connection: psycopg.Connection[tuple[object, ...]], name: str) -> str:
        row = connection.execute("SELECT oid FROM pg_catalog.pg_database WHERE datname = %s", (name,)).fetchone()
        return f"oid {row[0]}" if row else ""

    def _changed(self, name: str, expected: str, found: str) -> TargetChanged:
        return TargetChanged(
            "The database to be promoted is not the one that was validated.",
            where=self.address.renamed(name).display,
            why=f"It should be {expected}, and is {found or 'not there'}.",
            fix="Nothing was changed. Find out who creates and renames databases on this server, and run the restore again.",
        )

    def _maintenance_address(self) -> DatabaseAddress:
        """The address of another database of the server than the live one."""
        if self._answering is None:
            self._open_another().close()
        assert self._answering is not None  # otherwise it is refused
        return self._answering

    @contextmanager
    def _maintenance(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A connection to another database of the server than the live one."""
        with closing(self._open_another()) as connection:
            yield connection

    def _open_another(self) -> psycopg.Connection[tuple[object, ...]]:
        for name in ("postgres", "template1"):
            address = self.address.renamed(name)
            try:
                connection = open_connection(address)
            except DatabaseRefused as error:
                refused = error
            else:
                self._answering = address
                return connection
        raise refused
