"""Building a PostgreSQL staging database: native schema first, rows by COPY, then indexes, constraints and triggers."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.postgresql.connection import connected, open_connection
from edms_tasks.databases.postgresql.dropping import broken_references, drop_parts
from edms_tasks.databases.postgresql.loading import copy_table
from edms_tasks.databases.postgresql.tools import run_tool
from edms_tasks.databases.protocol import CapturedSchema, DroppedPart, Unwanted
from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.errors import TargetInUse, TerminalError
from edms_tasks.inventory.model import ForeignReference
from edms_tasks.manifest import Sequence as SequencePosition
from edms_tasks.manifest import TableEntry

MARK = "edms-backup staging database: safe to drop"

_PATIENCE, _PAUSE = 50, 0.1


class PostgresStaging:
    """A database nobody uses yet, made from a snapshot's native schema."""

    def __init__(
        self,
        address: DatabaseAddress,
        maintenance: DatabaseAddress,
        schema: CapturedSchema,
        jobs: int,
        *,
        created: bool,
    ) -> None:
        self.address = address
        self.notes: list[str] = []
        self._maintenance = maintenance
        self._schema = schema
        self._jobs = jobs
        self._created = created
        self._flags: list[str] = []

    def create_tables(self) -> None:
        """Everything that must exist before rows: types, functions, tables, sequences."""
        missing = self._roles_out_of_reach()
        if missing:
            self._flags = ["--no-owner", "--no-privileges"]
            self.notes.append(
                "Ownership and grants were not restored, because these roles do not exist here or cannot be assumed: "
                + ", ".join(missing)
            )
        # Template databases come with a public schema that the archive creates again.
        with connected(self.address) as connection:
            connection.execute("DROP SCHEMA IF EXISTS public CASCADE" if self._schema_has_public() else "SELECT 1")
            if not self._schema_has_public():
                connection.execute("CREATE SCHEMA IF NOT EXISTS public")
        self._pg_restore("pre-data")
        with connected(self.address) as connection:
            # Nobody reads this database before it is proved; a crash means building it anew, so commits need not wait.
            connection.execute(f"ALTER DATABASE {identifier(self.address.name)} SET synchronous_commit = off".encode())

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """COPY a table's chunks in one transaction that first truncates, so that rows arrive frozen."""
        table = entry.table
        columns = table.stored_columns
        name = identifier(table.schema_name, table.name)
        if not chunks or not columns:
            return 0
        connection = open_connection(self.address, autocommit=False)
        try:
            # FREEZE needs a table made or truncated in the same transaction; nothing references it yet, so no CASCADE.
            connection.execute(f"TRUNCATE ONLY {name}".encode())
            with connection.cursor() as cursor:
                loaded = copy_table(cursor, table, name, entry.encodings, chunks)
            connection.commit()
        except psycopg.Error as error:
            raise TerminalError(
                f"PostgreSQL refused rows of {table.label}.",
                where=f"{self.address.display}, table {table.id}",
                why=str(error).strip()[:1000],
                cure="The live system is untouched. Run `edms-backup verify` on the snapshot; if it passes, report this error.",
            ) from error
        finally:
            connection.close()
        return loaded

    def finish(self, entries: Sequence[TableEntry], sequences: Sequence[SequencePosition]) -> None:
        """Indexes, constraints, triggers, views; then sequences, materialised views and statistics."""
        broken = {
            (entry.table.schema_name or "", entry.table.name)
            for entry in entries
            for reference in entry.state.references
            if reference.dangling and _enforced(entry, reference.name)
        }
        if broken:
            self._finish_with_unvalidated(broken)
        else:
            self._pg_restore("post-data", f"--jobs={self._jobs}")
        with connected(self.address) as connection:
            for sequence in sequences:
                connection.execute(
                    "SELECT pg_catalog.setval(%s::regclass, %s, %s)",
                    (identifier(sequence.schema_name, sequence.name), sequence.last_value, sequence.is_called),
                )
            for view in self._schema.materialized_views:
                connection.execute(f"REFRESH MATERIALIZED VIEW {view}".encode())
            name = identifier(self.address.name)
            connection.execute(f"ALTER DATABASE {name} RESET synchronous_commit".encode())
            for key, value in sorted(self._schema.settings.items()):
                if key.startswith("set."):
                    parameter = ".".join(identifier(part) for part in key[4:].split("."))
                    connection.execute(f"ALTER DATABASE {name} SET {parameter} = {literal(value)}".encode())
            # A commit that waits for the disk takes all earlier ones with it.
            connection.execute("SET synchronous_commit = on")
            connection.execute("SELECT pg_catalog.pg_current_xact_id()")

    def gather_statistics(self) -> None:
        """ANALYZE, several tables at a time: without it the restored EDMS is slow until autovacuum comes by."""
        with connected(self.address) as connection:
            rows = connection.execute(
                "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relkind IN ('r', 'm', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' "
                "ORDER BY pg_catalog.pg_relation_size(c.oid) DESC"
            ).fetchall()
        waiting = [identifier(str(schema), str(name)) for schema, name in reversed(rows)]

        def analyze() -> None:
            with connected(self.address) as connection:
                while waiting:
                    try:
                        name = waiting.pop()
                    except IndexError:  # another thread took the last one
                        return
                    connection.execute(f"ANALYZE {name}".encode())

        with ThreadPoolExecutor(max_workers=self._jobs) as pool:
            for done in [pool.submit(analyze) for _ in range(self._jobs)]:
                done.result()

    def broken_references(self) -> dict[str, int]:
        return broken_references(self.address)

    def drop_parts(self, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
        return drop_parts(self.address, unwanted)

    def seal(self) -> str:
        """Let nobody connect any more; returns the database's identity. One that the user made is its owner's to close."""
        with connected(self._maintenance) as connection:
            if self._created:
                self._allow(connection, "false")
                _require_left_alone(connection, self.address)
            row = connection.execute(
                "SELECT oid FROM pg_catalog.pg_database WHERE datname = %s", (self.address.name,)
            ).fetchone()
        return f"oid {row[0]}" if row else ""

    def unseal(self) -> None:
        """Let connections in again."""
        if self._created:
            with connected(self._maintenance) as connection:
                self._allow(connection, "true")

    def _allow(self, connection: psycopg.Connection[tuple[object, ...]], allowed: str) -> None:
        connection.execute(f"ALTER DATABASE {identifier(self.address.name)} ALLOW_CONNECTIONS {allowed}".encode())

    def drop(self) -> None:
        """Remove it; a database the user made (`--into` an empty one) is left, for its owner to drop."""
        if self._created:
            with connected(self._maintenance) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {identifier(self.address.name)} WITH (FORCE)".encode())

    def keep_as(self, name: str) -> DatabaseAddress:
        """Rename it to its final name, take the staging mark off, and open it."""
        self.unseal()
        with connected(self._maintenance) as connection:
            if name != self.address.name:
                connection.execute(
                    f"ALTER DATABASE {identifier(self.address.name)} RENAME TO {identifier(name)}".encode()
                )
            connection.execute(f"COMMENT ON DATABASE {identifier(name)} IS NULL".encode())
        self.address = self.address.renamed(name)
        return self.address

    def _pg_restore(self, section: str, *flags: str) -> None:
        run_tool(
            "pg_restore",
            [f"--section={section}", "--exit-on-error", "--no-password", *self._flags, *flags, str(self._schema.path)],
            self.address,
        )

    def _finish_with_unvalidated(self, broken: set[tuple[str, str]]) -> None:
        """Post-data where rows dangle under an enforced key, at the source already or by a loss: those keys come back NOT VALID."""
        listing = run_tool("pg_restore", ["--list", str(self._schema.path)], self.address, connect=False)
        kept: list[str] = []
        deferred: list[str] = []
        for line in listing.splitlines():
            found = re.search(r" FK CONSTRAINT (\S+) (\S+) ", line)
            (deferred if found and (found[1], found[2]) in broken else kept).append(line)
        for name, lines in (("kept", kept), ("deferred", deferred)):
            self._schema.path.with_suffix(f".{name}").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._pg_restore("post-data", f"--use-list={self._schema.path.with_suffix('.kept')}")
        script = run_tool(
            "pg_restore",
            ["--section=post-data", f"--use-list={self._schema.path.with_suffix('.deferred')}", "--file=-", *self._flags,
             str(self._schema.path)],
            self.address,
            connect=False,
        )  # fmt: skip
        with connected(self.address) as connection:
            for statement in re.findall(r"ALTER TABLE ONLY .*?FOREIGN KEY .*?;", script, flags=re.DOTALL):
                text = statement.rstrip(";")
                unvalidated = text if text.endswith("NOT VALID") else f"{text} NOT VALID"
                connection.execute(unvalidated.encode())
        self.notes.append(
            f"{len(deferred)} foreign keys came back NOT VALID: some rows of their tables point at what is not there."
        )

    def _schema_has_public(self) -> bool:
        listing = run_tool("pg_restore", ["--list", str(self._schema.path)], self.address, connect=False)
        return re.search(r" SCHEMA - public ", listing) is not None

    def _roles_out_of_reach(self) -> list[str]:
        wanted = [role for role in self._schema.settings.get("roles", "").split("\n") if role]
        with connected(self.address) as connection:
            rows = connection.execute(
                "SELECT rolname FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(current_user, oid, 'MEMBER')"
            ).fetchall()
        reachable = {str(role) for (role,) in rows}
        return [role for role in wanted if role not in reachable]


def _require_left_alone(connection: psycopg.Connection[tuple[object, ...]], address: DatabaseAddress) -> None:
    """Nobody is connected; our own sessions may take a moment to end. Raises TargetInUse."""
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
        "Somebody is connected to the staging database, and may have changed it.",
        where=address.display,
        why=", ".join(str(who) for (who,) in rows[:5]),
        cure="Nothing was changed. See who connects to databases of that name, and run the restore again.",
    )


def _enforced(entry: TableEntry, name: str) -> bool:
    return any(
        isinstance(reference, ForeignReference) and reference.name == name and reference.enforced
        for reference in entry.table.references
    )
