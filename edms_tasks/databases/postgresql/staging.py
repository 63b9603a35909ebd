"""Build a PostgreSQL staging database: first the native schema, then the rows by COPY, then indexes, constraints and triggers.

`schema_plan` decides which parts of the archive can be restored, `refusable_statements` runs statements that the server may refuse, and
`properties` has the properties of the whole database.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.omissions import notes_of
from edms_tasks.databases.postgresql.archive import Entry, numbers, read_archive
from edms_tasks.databases.postgresql.archive_statements import word_after
from edms_tasks.databases.postgresql.check_constraints import CheckConstraint, changed_by, put_back, set_aside
from edms_tasks.databases.postgresql.connection import ask_server, connected, with_settings
from edms_tasks.databases.postgresql.dangling_foreign_keys import keys_of, make_keys, with_partitioned
from edms_tasks.databases.postgresql.definitions import contents_of
from edms_tasks.databases.postgresql.dropping import broken_references, drop_parts
from edms_tasks.databases.postgresql.edms_session_settings import LentSettings, choose
from edms_tasks.databases.postgresql.event_triggers import disable_event_triggers
from edms_tasks.databases.postgresql.function_indexes import build, over_own_functions
from edms_tasks.databases.postgresql.generated_columns import GeneratedTables
from edms_tasks.databases.postgresql.loading_sessions import LoadingSessions
from edms_tasks.databases.postgresql.pg_dump import run_tool
from edms_tasks.databases.postgresql.refusable_statements import Connection, attempt, evaluate, take_settings
from edms_tasks.databases.postgresql.schema_plan import Attempt, Plan, plan_restore, require_harmless, subject
from edms_tasks.databases.postgresql.server import read_server
from edms_tasks.databases.postgresql.shared_staging import SharedStaging
from edms_tasks.databases.postgresql.staging_comment import mark
from edms_tasks.databases.postgresql.staging_properties import StagingProperties
from edms_tasks.databases.postgresql.subscriptions import drop_made
from edms_tasks.databases.postgresql.table_loading import UnwritableTable, load_table
from edms_tasks.databases.postgresql.unplannable_tables import remove_obstacles
from edms_tasks.databases.protocol import CapturedSchema, DroppedPart, LeftOut, Unwanted
from edms_tasks.errors import TargetInUse
from edms_tasks.inventory.model import ForeignReference
from edms_tasks.manifest import SequencePosition, TableEntry
from edms_tasks.quoting import identifier

_NAMED = 5

_PATIENCE, _PAUSE = 50, 0.1


class PostgresStaging:
    """The protocol's `StagingDatabase` for PostgreSQL, created from a snapshot's native schema."""

    def __init__(
        self,
        address: DatabaseAddress,
        maintenance: DatabaseAddress,
        schema: CapturedSchema,
        jobs: int,
        whole: StagingProperties,
    ) -> None:
        self.address = address
        self.notes: list[str] = [*whole.notes]
        self.left_out: list[LeftOut] = []
        self.left_to_the_edms: tuple[str, ...] = ()  # the server computes everything itself
        self._maintenance = maintenance
        self._schema = schema
        self._jobs = jobs
        self._whole = whole
        self._archive = read_archive(schema.path)
        self._fitted = schema.path.with_suffix(".fitted")
        self._plan = Plan()
        self._lent = LentSettings()
        self._as_written: GeneratedTables
        self._sessions = LoadingSessions(address)
        self._enable_again: tuple[str, ...] = ()  # the event triggers of extensions
        self._checks: list[CheckConstraint] = []  # constraints that may refuse rows; they are added after the load

    def create_tables(self) -> None:
        """Create everything that must exist before the rows: types, functions, tables, sequences.

        Raises:
            ServerNotReady: the server lacks something that the schema needs.
        """
        with connected(self.address) as connection:
            self._whole.look(connection)
            server = read_server(connection)
            self._plan = plan_restore(self._archive, server, self._whole.owner, self.address.display)
            self._leave_out(self._whole.left_out, self._plan.left_out)
            self._lent = choose(connection, self._schema.settings, ask_server(self.address).own.settings)
            extensions = numbers(entry for entry in self._archive.entries if entry.kind == "EXTENSION")
            self._plan.archived = self._lent.to(self._plan.archived, extensions)
            self.notes += [f"While indexes were built, functions ran without {one}." for one in self._lent.refused]
        self._pg_restore("pre-data", self._plan.archived)
        with connected(self.address) as connection:
            require_harmless(connection, self._plan.orphans, self._whole.owner, self.address.display)
            if self._whole.created:
                self._enable_again = disable_event_triggers(connection)
            self._checks = set_aside(connection)
            major = str(connection.info.server_version // 10000)
            other = major != self._schema.server_version.partition(".")[0]
            self._as_written = GeneratedTables(connection, is_superuser=server.superuser, another_version=other)
            self._whole.override(connection, login_triggers=any(_at_login(one) for one in self._plan.last))

    def elsewhere(self) -> SharedStaging:
        return SharedStaging(self.address, self._lent.of_session(), self._as_written)

    def needs_this_process(self, entry: TableEntry) -> bool:
        return entry.table.extension is not None or self._as_written.waits(entry)

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """COPY a table's chunks, in a transaction that truncates it first, so that the rows are frozen. Raises TerminalError."""
        try:
            return load_table(self._sessions, self._as_written, self._lent.of_session(), entry, chunks, self.address)
        except UnwritableTable as unwritable:
            self.notes.append(unwritable.note)
            return entry.state.rows

    def finish(self, entries: Sequence[TableEntry], sequences: Sequence[SequencePosition]) -> None:
        """Create indexes, constraints, triggers and views; then set sequences, owners and privileges, fill materialised views, and
        set event triggers and the database's properties."""
        self._sessions.close()
        with connected(self.address) as connection:
            self._archive, changed = self._as_written.settle(connection, self._lent.of_session(), self._archive)
        if changed:
            self.notes.append(
                f"Plain columns with their values, no longer generated: {'; '.join(one.why for one in changed[:_NAMED])}."
            )
        self.left_out += changed  # the note above says it
        broken = {
            (entry.table.schema_name or "", entry.table.name)
            for entry in entries
            for reference in entry.state.references
            if reference.dangling and _enforced(entry, reference.name)
        }
        with connected(self.address) as connection:
            keys = keys_of(self._plan.archived, with_partitioned(connection, broken))
        apart = numbers(keys)
        told = [entry for entry in self._plan.archived if entry.kind == "COMMENT" and apart & {*entry.needs}]
        indexes, of_indexes = over_own_functions(self._plan.archived)
        later = apart | numbers([*told, *indexes, *of_indexes])
        bulk = [entry for entry in self._plan.archived if entry.number not in later]
        self._make_definitions(bulk)
        self._leave_out(build(self.address, self._archive, indexes, self._lent.of_builder(), self._jobs))
        self._leave_out(build(self.address, self._archive, of_indexes, {}, 1))
        with connected(self.address) as connection:
            connection.execute(self._archive.statement_of("STDSTRINGS"))
            connection.execute(self._archive.statement_of("ENCODING"))
            self._put_back_checks(connection)
            self._make_keys(connection, keys)
            for sequence in sequences:
                connection.execute(
                    "SELECT pg_catalog.setval(%s::regclass, %s, %s)",
                    (identifier(sequence.schema_name, sequence.name), sequence.last_value, sequence.is_called),
                )
            # Only the owner of a function can reset its settings, so functions get their owners later.
            functions = [one for one in self._plan.owners if one.entry.kind == "FUNCTION"]
            owners = [one for one in self._plan.owners if one.entry.kind != "FUNCTION"]
            self._try(connection, self._plan.schemas)
            self._plan.leave_out_privileges_of_owners(self._try(connection, owners))
            self._leave_out(self._plan.left_out)
            self._try(connection, self._plan.others)
            self._try(connection, [Attempt(entry, (entry.raw("definition"),), subject(entry)) for entry in told])
            self._fill_views()
            if taken := b"; ".join(self._lent.take_back(self._plan.archived)):
                connection.execute(taken)
            self._try(connection, functions)
            self._leave_out(remove_obstacles(connection, self._lent.of_session(), self._archive))
            # Event triggers come last: they would fire for everything above and may write rows.
            for statement in self._enable_again:
                connection.execute(statement.encode())
            self._try(connection, self._plan.last)
            self._leave_out(self._whole.apply(connection))
            # A synchronous commit also makes all earlier asynchronous ones durable.
            connection.execute("SET synchronous_commit = on")
            connection.execute("SELECT pg_catalog.pg_current_xact_id()")
        # The validation reads with the EDMS's search path, whatever path its role has.
        found = ask_server(self.address).own.settings
        self.address = with_settings(self.address, self._lent.missing(found))

    def gather_statistics(self) -> None:
        """Run ANALYZE, several tables at a time: without it the restored EDMS is slow until autovacuum has run."""
        with connected(self.address) as connection:
            rows = connection.execute(
                "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' "
                "ORDER BY pg_catalog.pg_relation_size(c.oid) DESC"
            ).fetchall()
        waiting = [identifier(str(schema), str(name)) for schema, name in reversed(rows)]

        def analyze() -> None:
            with connected(self.address) as connection:
                self._use_settings_of_the_edms(connection)
                while waiting:
                    try:
                        name = waiting.pop()
                    except IndexError:  # another thread took the last one
                        return
                    why = evaluate(connection, f"ANALYZE {name}".encode())
                    if why is not None:
                        self.notes.append(f"The server could not gather statistics of {name}: {why}.")

        with ThreadPoolExecutor(max_workers=self._jobs) as pool:
            for done in [pool.submit(analyze) for _ in range(self._jobs)]:
                done.result()

    def broken_references(self) -> dict[str, int]:
        return broken_references(self.address)

    def drop_parts(self, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
        return drop_parts(self.address, unwanted)

    def seal(self) -> str:
        """Refuse connections from now on; returns the database's identity. A database that the user created stays open."""
        with connected(self._maintenance) as connection:
            if self._whole.created:
                self._allow(connection, "false")
                _require_left_alone(connection, self.address)
            row = connection.execute(
                "SELECT oid FROM pg_catalog.pg_database WHERE datname = %s", (self.address.name,)
            ).fetchone()
        return f"oid {row[0]}" if row else ""

    def unseal(self) -> None:
        """Allow connections again."""
        if self._whole.created:
            with connected(self._maintenance) as connection:
                self._allow(connection, "true")

    def _allow(self, connection: psycopg.Connection[tuple[object, ...]], allowed: str) -> None:
        connection.execute(f"ALTER DATABASE {identifier(self.address.name)} ALLOW_CONNECTIONS {allowed}".encode())

    def drop(self) -> None:
        """Drop the database; one that the user created (`--into` an empty one) stays, and its owner can drop it."""
        self._sessions.close()
        if self._whole.created:
            with connected(self._maintenance) as connection:
                drop_made(connection, self._maintenance, self.address.name)

    def completed_by_the_edms(self, problem: str) -> None:
        """Do nothing: `left_to_the_edms` is empty."""

    def keep_as(self, name: str, *, throwaway: bool = False) -> DatabaseAddress:
        """Give the database its final name and its closing properties, and allow connections; returns its address."""
        self.unseal()
        with connected(self._maintenance) as connection, connection.transaction():
            if name != self.address.name:
                connection.execute(
                    f"ALTER DATABASE {identifier(self.address.name)} RENAME TO {identifier(name)}".encode()
                )
            self._whole.close(connection, name)
            if throwaway:
                mark(connection, name, name)  # in the same transaction: it is never there without its mark
        self.address = self.address.renamed(name)
        return self.address

    def _make_definitions(self, entries: Sequence[Entry]) -> None:
        """Create what follows the rows, with several sessions, or with one where indexes of partitions are attached.

        The index of a partitioned table is valid once the last index of a partition is attached. Of several sessions that attach at the
        same time none may see the others' work: the index stays invalid, and no foreign key can refer to it.
        """
        attaches = any(entry.kind == "INDEX ATTACH" for entry in entries)
        self._pg_restore("post-data", entries, f"--jobs={1 if attaches else self._jobs}")

    def _pg_restore(self, section: str, entries: Sequence[Entry], *flags: str) -> None:
        self._archive.write(self._fitted, entries)
        run_tool(
            "pg_restore",
            [f"--section={section}", "--exit-on-error", "--no-password", *flags, str(self._fitted)],
            self.address,
            archive=self._archive.dumped_by,
        )

    def _fill_views(self) -> None:
        if not self._schema.materialized_views:
            return
        refused = []
        with connected(self.address) as connection:
            self._use_settings_of_the_edms(connection)
            for view in self._schema.materialized_views:
                statement = f"REFRESH MATERIALIZED VIEW {view}"
                if (why := evaluate(connection, statement.encode())) is not None:
                    refused.append(LeftOut(contents_of(view), f"the server cannot fill it ({why})", statement))
        self._leave_out(refused)

    def _use_settings_of_the_edms(self, connection: Connection) -> None:
        """Give the session the EDMS's settings, for statements that evaluate functions of the EDMS and of extensions."""
        take_settings(connection, self._lent.of_session(), for_transaction=False)

    def _put_back_checks(self, connection: Connection) -> None:
        refused = put_back(connection, self._checks, self._lent.of_session())
        if refused:
            named = [f"{check.told} ({why})" for check, why in refused.items()]
            more = f"; and {len(named) - _NAMED:,} more" if len(named) > _NAMED else ""
            self.notes.append(
                f"{len(named)} check constraints were restored NOT VALID, because the server could not validate them: "
                f"{'; '.join(named[:_NAMED])}{more}."
            )
        self.left_out += changed_by(refused, self._archive)  # the note above says it

    def _make_keys(self, connection: Connection, keys: Sequence[Entry]) -> None:
        made = make_keys(connection, keys)
        if made.not_valid:
            self.notes.append(
                f"{len(made.not_valid)} foreign keys were restored NOT VALID, because some rows of their tables refer to missing rows: "
                f"{', '.join(made.not_valid[:_NAMED])}."
            )
        if made.over_rows:
            self.notes.append(
                f"{len(made.over_rows)} foreign keys of partitioned tables are valid for the server, as they were at the backup, "
                f"although some rows refer to missing rows: {', '.join(made.over_rows[:_NAMED])}."
            )
        self.left_out += made.changed  # the note above says it
        self._leave_out(made.left_out)

    def _try(self, connection: Connection, attempts: Sequence[Attempt]) -> list[Entry]:
        """Try statements that may be refused; returns the entries of those that were."""
        refused, entries = [], []
        for one in attempts:
            # First all at once, because most succeed.
            if len(one.statements) > 1 and attempt(connection, b"; ".join(one.statements)) is None:
                continue
            for statement in one.statements:
                why = attempt(connection, statement)
                if why is not None:
                    text = statement.decode("utf-8", "surrogateescape").strip().removesuffix(";")
                    refused.append(LeftOut(one.subject, f"the server refused it ({why})", text))
                    entries.append(one.entry)
        self._leave_out(refused)
        return entries

    def _leave_out(self, *more: Sequence[LeftOut]) -> None:
        new = [one for each in more for one in each if one not in self.left_out]
        self.left_out += new
        self.notes += notes_of(new)


def _at_login(one: Attempt) -> bool:
    return word_after(one.entry.raw("definition"), b"ON") == "login"


def _require_left_alone(connection: psycopg.Connection[tuple[object, ...]], address: DatabaseAddress) -> None:
    """Wait until no session is connected, because our own may take a moment to end. Raises TargetInUse."""
    for _ in range(_PATIENCE):
        rows = connection.execute(
            "SELECT coalesce(nullif(application_name, ''), 'unnamed') || ' as ' || coalesce(usename, '?') "
            "FROM pg_catalog.pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
            (address.name,),
        ).fetchall()
        if not rows:
            return
        time.sleep(_PAUSE)
    raise TargetInUse(
        "Another session is connected to the staging database and may have changed it.",
        where=address.display,
        why=", ".join(str(who) for (who,) in rows[:5]),
        fix="Nothing was changed. Find out who connects to databases of that name, and run the restore again.",
    )


def _enforced(entry: TableEntry, name: str) -> bool:
    return any(
        isinstance(reference, ForeignReference) and reference.name == name and reference.enforced
        for reference in entry.table.references
    )
