"""The protocol of a database engine for backups, restores and merges, and the values it uses.

A backup reads through a `View`: one consistent state of the whole database, while others may write. A restore writes to a
`StagingDatabase`, which is built beside the live one and then promoted by one swap. A merge uses a `MergeTransaction`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.database_locks import HeldLock, LockKind
from edms_tasks.databases.merge_transaction import MergeTransaction
from edms_tasks.databases.refused_together import RefusedRow
from edms_tasks.errors import EdmsBackupError, TargetLocked
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.locking.file_locks import Wait, give_up
from edms_tasks.manifest import Encoding, SequencePosition, TableEntry
from edms_tasks.redaction import Redaction

if TYPE_CHECKING:  # inspecting the EDMS imports this room, and should not wait for Arrow
    import pyarrow as pa


@dataclass(frozen=True)
class ServerFacts:
    """Facts about a database server that answers."""

    engine: str
    version: str
    may_create_databases: bool
    programs: tuple[str, ...] = ()  # the client programs that a backup and a restore use, each with version and path


@dataclass(frozen=True)
class Measure:
    """A table measured before it is read: its number of rows, and for each column an encoding that stores its values exactly."""

    rows: int
    encodings: dict[str, Encoding]
    types: dict[str, pa.DataType]


@dataclass(frozen=True)
class Part:
    """A part of a table, for parallel readers."""

    condition: str  # SQL of the engine; "" for the whole table
    weight: int  # its approximate size in bytes


@dataclass(frozen=True)
class CapturedSchema:
    """The engine's native schema (pg_dump's archive, or SQLite's statements) in a file."""

    path: Path
    format: str  # NativeSchema.format
    server_version: str
    settings: dict[str, str]
    materialized_views: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """One definition in a schema, such as a table, constraint or trigger."""

    subject: str  # kind, schema and name
    text: str  # as the engine writes it
    compared: str  # the text in a normal form, equal for definitions that mean the same
    # Statements that are independent (privileges): a restore may leave out some of them.
    pieces: tuple[str, ...] = ()
    part_of: str = ""  # the subject that it is created and dropped with
    private: bool = False  # it may contain a password
    chosen_by_server: bool = False  # such as an extension's version
    lapse: bool = False  # a constraint that was not enforced; it is no difference if it is enforced now


class View(Protocol):
    """One consistent state of a database."""

    def tables(self) -> tuple[Table, ...]:
        """The catalogue: every table with rows of the EDMS, without facts that only the models have."""

    def findings(self) -> tuple[Finding, ...]:
        """Findings on what the database has and a snapshot cannot contain (foreign tables, large objects, …)."""

    def violated_constraints(self) -> tuple[Finding, ...]:
        """Findings on conditions that rows satisfied when they were written and do not satisfy now. May read whole tables."""

    def measure(self, table: Table) -> Measure:
        """Count the rows and choose each column's encoding by its values."""

    def read_like(self, entries: Sequence[TableEntry]) -> None:
        """Name tables and encode values as in these entries of a snapshot from now on; an earlier release did some differently."""

    def cautious(self, table: Table, measure: Measure) -> Measure:
        """The same measure with encodings that store any bytes as text."""

    def bytes_on_disk(self) -> int:
        """The size of the database's files; 0 if `check_source` has checked the disk space. So is `raw_bytes` then."""

    def raw_bytes(self, tables: Sequence[Table]) -> int:
        """The approximate size of these tables' rows in bytes, uncompressed."""

    def parts(self, table: Table) -> tuple[Part, ...]:
        """The table divided into parts, for parallel readers: each row is in exactly one."""

    def batches(self, table: Table, measure: Measure, part: Part, rows: int) -> Iterator[pa.Table]:
        """The rows of a part, at most `rows` (and some megabytes) at a time, columns by name."""

    def capture_schema(self, path: Path) -> CapturedSchema:
        """Write the native schema to `path`."""

    def definitions(self, schema: CapturedSchema) -> tuple[Definition, ...]:
        """Everything a captured schema creates or sets (tables, constraints, triggers, privileges, …), each subject once."""

    def properties(self, schema: CapturedSchema) -> dict[str, str]:
        """The properties of the whole database in a captured schema (owner, locale, settings, privileges), if they were recorded."""

    def closed_to_merges(self) -> dict[str, str]:
        """Table id -> why a merge cannot read and write its rows in one transaction."""

    def sequences(self) -> tuple[SequencePosition, ...]:
        """The positions of all sequences."""

    def counters(self) -> dict[str, SequencePosition]:
        """Table id -> position of the counter for new rows' ids; tables without a counter are left out."""


@dataclass(frozen=True)
class Unwanted:
    """Tables and columns of a restored database to be dropped."""

    tables: tuple[Table, ...]
    columns: tuple[tuple[Table, tuple[str, ...]], ...]  # of tables that stay
    records: Table | None  # Django's table of applied migrations
    migrations: tuple[tuple[str, str], ...]  # (app label, name) of the records to delete from it


@dataclass(frozen=True)
class DroppedPart:
    """A table, column or dependent that was dropped; a `dependent` is an index or constraint of a dropped column."""

    kind: Literal["table", "column", "dependent", "migration"]
    name: str
    held: int = 0  # the number of a table's rows, or of a column's values that are not NULL


@dataclass(frozen=True)
class LeftOut:
    """Something in the snapshot that this role may not create, or this server does not support. The rest is restored.

    `subject` is its name in the validation (`View.definitions`, `View.properties`).
    """

    subject: str
    why: str
    statement: str = ""  # SQL that creates it, for somebody who may run it
    instead: str | None = None  # its definition, if it was created in another form


@dataclass(frozen=True)
class NeedsTheEdms:
    """A table or index whose definition may need the EDMS's own connection."""

    name: str
    statements: tuple[str, ...]  # SQL that creates it in an empty database
    is_asked: bool  # whether a restore has the EDMS compute or sort entries of an index
    is_computed: bool  # whether they are computed by functions: a restore fails if the EDMS does not have them


@dataclass(frozen=True)
class RestorePreflight:
    """What a restore by this role to this server would leave out or be refused for; determined without the rows."""

    left_out: tuple[LeftOut, ...] = ()
    refused: EdmsBackupError | None = None  # the error that would stop it before it begins
    untried: str = ""  # why it could not be determined; "" if it could
    needs_the_edms: tuple[NeedsTheEdms, ...] = ()  # the caller asks the EDMS whether it can create these


@dataclass(frozen=True)
class Confirmed:
    """The confirmation of a promotion, which is valid once, and the promotion's stamp."""

    by: str
    stamp: str


class StagingDatabase(Protocol):
    """A database that a restore is building."""

    address: DatabaseAddress
    notes: list[str]
    left_out: list[LeftOut]
    left_to_the_edms: tuple[str, ...]
    """After `finish`: statements that only the EDMS's own connection can run, and that must be run."""

    def completed_by_the_edms(self, problem: str) -> None:
        """Report that these statements ran (""), or why they failed. Raises CheckFailed if the database is unusable without them."""

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """Load a table's Parquet chunks; returns the number of rows that the database reports as loaded."""

    def finish(self, entries: Sequence[TableEntry], sequences: Sequence[SequencePosition]) -> None:
        """Create indexes, constraints, triggers and views, set sequences, and restore safe settings."""

    def gather_statistics(self) -> None:
        """Gather the planner's statistics of the new rows (ANALYZE)."""

    def broken_references(self) -> dict[str, int]:
        """Foreign key that is violated or not validated -> number of violating rows (0: not counted)."""

    def drop_parts(self, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
        """Drop tables and columns, all or none; returns what was dropped, including indexes and constraints.

        Raises:
            SnapshotNewerThanCode: something else depends on them; the error names it.
        """

    def seal(self) -> str:
        """Refuse connections from now on, because the database is validated. Returns its identity for `Database.swap`.

        Raises:
            TargetInUse: another session uses it.
        """

    def unseal(self) -> None:
        """Allow connections again, for work after the validation."""

    def drop(self) -> None:
        """Drop the staging database."""

    def keep_as(self, name: str, *, throwaway: bool = False) -> DatabaseAddress:
        """Give the staging database its final name instead of promoting it; returns its address.

        With `throwaway` it stays marked as ours: `drop` drops it, or the next run if this one is killed.
        """


class Database(Protocol):
    """A database of the EDMS."""

    address: DatabaseAddress

    def check(self) -> ServerFacts:
        """Connect and read the server's version; raises DatabaseRefused."""

    def sqlalchemy_url(self) -> str:
        """Its URL for SQLAlchemy, with the settings of our own sessions. It contains the password: never log it."""

    def check_source(self, scratch: Path) -> None:
        """Check everything that would stop a backup, before it begins; `scratch` is its work folder. Raises ToolMissing, NoSpace."""

    def view(self, scratch: Path, jobs: int) -> AbstractContextManager[View]:
        """Open one consistent view for `jobs` parallel readers; `scratch` is a folder for temporary files."""

    def merging(
        self, scratch: Path, tables: Sequence[Table], redaction: Redaction
    ) -> AbstractContextManager[MergeTransaction]:
        """Begin a merge: other sessions cannot write to these tables until it ends. Raises TargetInUse if one is writing."""

    def check_target(self, into: str | None, *, promote: bool, disconnect: bool) -> tuple[str, ...]:
        """Check everything that would stop a restore, before anything is changed; returns notes. `promote`: nobody may use it now."""

    def in_use(self) -> str | None:
        """Why the live database could not be swapped now, as far as is visible from outside; None if nothing is known."""

    def stage(self, schema: CapturedSchema, into: str | None, jobs: int) -> StagingDatabase:
        """Create the staging database with the snapshot's empty tables; removes leftovers of killed runs."""

    def blank(self, into: str, folder: Path) -> AbstractContextManager[DatabaseAddress]:
        """A temporary empty database in which the EDMS's migrations create tables; afterwards it is dropped (`into`, if used, is emptied).

        Args:
            into: the database that is being restored into. It is used if it exists and the role may not create databases.
            folder: for a database that is a file.
        """

    def replayed(self, schema: CapturedSchema, folder: Path) -> AbstractContextManager[DatabaseAddress]:
        """A temporary database with a captured schema and no rows: it shows how this server writes the definitions.

        `folder` is for a database that is a file. Raises MayNotCreateDatabases, ServerNotReady, TerminalError.
        """

    def preflight(
        self, schema: CapturedSchema, folder: Path, *, into: str | None = None, thorough: bool
    ) -> RestorePreflight:
        """Determine what of a captured schema a restore could not create here, with a temporary database if necessary.

        Args:
            schema: the captured schema.
            folder: for a database that is a file.
            into: the database that would be restored into; None for the live one.
            thorough: create it even if nothing in the schema could be refused on the server that it comes from.
        """
        ...

    def lock(
        self, name: str, kind: LockKind, *, shared: bool, purpose: str, wait: Wait = give_up
    ) -> AbstractContextManager[HeldLock]:
        """Hold a lock on the database `name` of this server (database_locks.py).

        Raises:
            TargetLocked: another run holds it, and `wait` raised.
            LockUnavailable: it cannot be locked here.
        """

    def locked_by(self, name: str, kind: LockKind) -> TargetLocked | None:
        """The error that names the holder of that lock, without taking it; None if it is free."""

    def remove_leftovers(self, target: str) -> tuple[str, ...]:
        """Drop staging databases of killed runs; returns their names. The caller holds the work lock of `target`."""

    def refused_rows(self, entry: TableEntry, chunks: Sequence[Path]) -> Iterator[RefusedRow]:
        """The rows of a table's Parquet chunks that its unique keys and checks refuse, as far as the engine can tell which."""

    def exists(self, name: str) -> bool:
        """Whether a database of that name is on this server (SQLite: a file at that path)."""

    def identity(self, name: str) -> str:
        """The identity of the database of that name, which a later one of the same name does not have; "" if it does not exist."""

    def previous_name(self, stamp: str) -> str:
        """The name that the live database gets when a restore is promoted at `stamp`."""

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
        """In one atomic step rename the live database (if it exists) to `previous`, and `incoming` to the live name.

        Args:
            incoming: the database that goes live.
            previous: the name that the live one gets.
            expected: the result of `seal` or `identity` for `incoming`; "" to skip the check.
            confirm: called just before the swap; raises to prevent it.
            disconnect: end other connections to the live database.
            confirmed: recorded at the database, for `promoted_by`.

        Raises:
            TargetInUse: another session uses the live database.
            TargetChanged: `incoming` is not what was expected. In both cases nothing was changed.
        """

    def drop_set_aside(self, name: str, expected: str) -> None:
        """Drop a database that a swap has set aside; `expected` is the identity it had. The caller holds the work lock.

        Raises:
            TargetChanged: the database of that name is another one, or the live one.
            TargetInUse: somebody uses it.
        """

    def finish_swap(self, previous: str, confirmed: Confirmed | None) -> None:
        """Finish a swap that was killed: do what is left at the previous database, and record the confirmation."""

    def promoted_by(self, confirmation: str) -> str:
        """The stamp of the swap that this confirmation confirmed; "" if there was none."""
        ...
