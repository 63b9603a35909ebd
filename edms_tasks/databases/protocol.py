"""What every database engine does for a backup and a restore: the protocol and its values.

Reading goes through a `View`: one consistent state of the whole database, whoever writes meanwhile. Writing goes
through a `StagingDatabase`: a database nobody uses yet, built beside the live one and then promoted by one swap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.locking import HeldLock, LockKind
from edms_tasks.errors import EdmsBackupError, TargetLocked
from edms_tasks.inventory.model import Finding, Table
from edms_tasks.locking.file_locks import Wait, give_up
from edms_tasks.manifest import Encoding, TableEntry
from edms_tasks.manifest import Sequence as SequencePosition

if TYPE_CHECKING:  # asking the EDMS needs this room, and need not wait for Arrow
    import pyarrow as pa


@dataclass(frozen=True)
class ServerFacts:
    """What a reachable database says of itself."""

    engine: str
    version: str
    may_create_databases: bool
    programs: tuple[str, ...] = ()  # those a backup and a restore will use, each with version and place


@dataclass(frozen=True)
class Measure:
    """A table measured before it is read: its number of rows and how each column's values can be carried exactly."""

    rows: int
    encodings: dict[str, Encoding]
    types: dict[str, pa.DataType]


@dataclass(frozen=True)
class Part:
    """A part of a table that can be read while another reader reads the next."""

    condition: str  # the engine's own words; "" is the whole table
    weight: int  # bytes, roughly


@dataclass(frozen=True)
class CapturedSchema:
    """The engine's own description of the schema, written to a file."""

    path: Path
    format: str  # NativeSchema.format
    server_version: str
    settings: dict[str, str]
    materialized_views: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """One thing that a schema defines."""

    subject: str  # kind, schema and name
    text: str  # in the engine's own words
    compared: str  # the same, written so that what means the same is equal
    # Statements that stand by themselves (privileges): some may be left out, and the others not.
    pieces: tuple[str, ...] = ()
    part_of: str = ""  # the subject that it comes and goes with
    private: bool = False  # it may hold a password
    chosen_by_server: bool = False  # such as an extension's version
    lapse: bool = False  # something that did not hold: it is no loss where it does again


class View(Protocol):
    """One consistent state of a database."""

    def tables(self) -> tuple[Table, ...]:
        """The catalogue: every table that holds rows of the EDMS, without what only the models know."""

    def findings(self) -> tuple[Finding, ...]:
        """What the engine holds and this product does not carry (foreign tables, large objects, …)."""

    def once_true(self) -> tuple[Finding, ...]:
        """What the rows satisfied when they were written, and do not now. May read whole tables."""

    def measure(self, table: Table) -> Measure:
        """Count the rows and choose each column's encoding from the values that are really there."""

    def read_like(self, entries: Sequence[TableEntry]) -> None:
        """Carry values from now on as these entries of a snapshot do, where an earlier release read them in another way."""

    def cautious(self, table: Table, measure: Measure) -> Measure:
        """The same measure with every text carried in a form that no byte can break."""

    def raw_bytes(self, tables: Sequence[Table]) -> int:
        """About how many bytes the rows of these tables will take, uncompressed; 0 where `check_source` has asked for the room."""

    def parts(self, table: Table) -> tuple[Part, ...]:
        """The table cut into parts: together they are all its rows, and no row is in two of them."""

    def batches(self, table: Table, measure: Measure, part: Part, rows: int) -> Iterator[pa.Table]:
        """The rows of a part, at most `rows` (and some megabytes) at a time, columns by name."""

    def capture_schema(self, path: Path) -> CapturedSchema:
        """Write the native schema to `path`."""

    def definitions(self, schema: CapturedSchema) -> tuple[Definition, ...]:
        """Everything a captured schema creates or sets (tables, constraints, triggers, privileges, …), each subject once."""

    def properties(self, schema: CapturedSchema) -> dict[str, str]:
        """What a captured schema says of the database as a whole (owner, locale, settings, privileges), a name for each.

        Empty where that was not recorded.
        """

    def closed_to_merges(self) -> dict[str, str]:
        """Table -> why no merge can read and write its rows in one transaction."""
        ...

    def sequences(self) -> tuple[SequencePosition, ...]:
        """The positions of all sequences."""

    def counters(self) -> dict[str, SequencePosition]:
        """By table id, where the counter stands that numbers the table's new rows; tables without one are left out."""


@dataclass(frozen=True)
class Unwanted:
    """Parts of a restored database that are to be dropped by name."""

    tables: tuple[Table, ...]
    columns: tuple[tuple[Table, tuple[str, ...]], ...]  # of tables that stay
    records: Table | None  # Django's table of applied migrations …
    migrations: tuple[tuple[str, str], ...]  # … and those of its records that go: (app label, name)


@dataclass(frozen=True)
class DroppedPart:
    """One thing that was dropped; a `dependent` is an index or constraint that went with a column."""

    kind: Literal["table", "column", "dependent", "migration"]
    name: str
    held: int = 0  # rows of a table, values of a column that are not NULL


@dataclass(frozen=True)
class LeftOut:
    """One thing of the snapshot that this role or this server cannot be given; the rest is there, and this is named.

    `subject` is its name in the validation (`View.definitions`, `View.properties`).
    """

    subject: str
    why: str
    statement: str = ""  # SQL that makes it, for somebody who may run it
    instead: str | None = None  # how it is defined now, where it is there in another form


@dataclass(frozen=True)
class NeedsTheEdms:
    """A table or index whose definition only the EDMS's own connections may understand."""

    name: str
    statements: tuple[str, ...]  # what makes it in an empty database
    is_asked: bool  # a restore has the EDMS compute or sort entries of an index
    is_computed: bool  # of an index over functions: a restore fails where the EDMS does not know them


@dataclass(frozen=True)
class Foresight:
    """What a restore would meet on this server, by this role; found without the rows."""

    left_out: tuple[LeftOut, ...] = ()
    refused: EdmsBackupError | None = None  # what would stop it before it begins
    untried: str = ""  # why it could not be found out
    needs_the_edms: tuple[NeedsTheEdms, ...] = ()  # whether it knows these is to be asked of it


@dataclass(frozen=True)
class Confirmed:
    """What a promotion was confirmed with, which counts once; and its stamp."""

    by: str
    stamp: str


class StagingDatabase(Protocol):
    """A database that is being built."""

    address: DatabaseAddress
    notes: list[str]
    left_out: list[LeftOut]
    left_to_the_edms: tuple[str, ...]
    """After `finish`: statements that only the EDMS's own connection can run, and that must be run."""

    def completed_by_the_edms(self, problem: str) -> None:
        """They were run ("") or failed. Raises CheckFailed where the database is of no use without."""

    def load(self, entry: TableEntry, chunks: Sequence[Path]) -> int:
        """Load a table's Parquet chunks; returns the rows the database says it took."""

    def finish(self, entries: Sequence[TableEntry], sequences: Sequence[SequencePosition]) -> None:
        """Create indexes, constraints, triggers and views; set sequences; back to safe settings."""

    def gather_statistics(self) -> None:
        """What the engine's planner wants to know of the new rows."""

    def broken_references(self) -> dict[str, int]:
        """The database's foreign keys that do not hold, or that it does not vouch for, and in how many rows (0: not counted)."""

    def drop_parts(self, unwanted: Unwanted) -> tuple[DroppedPart, ...]:
        """Drop tables and columns, all or none; returns what went, indexes and constraints included.

        Raises:
            SnapshotNewerThanCode: something else depends on them, by name.
        """

    def seal(self) -> str:
        """Close it to everybody: it is validated. Returns what identifies it, as `Database.swap` expects it.

        Raises:
            TargetInUse: somebody else uses it.
        """

    def unseal(self) -> None:
        """Open it again, for work after validation."""

    def drop(self) -> None:
        """Remove it."""

    def keep_as(self, name: str) -> DatabaseAddress:
        """Give it its final name instead of promoting it."""


@dataclass(frozen=True)
class TableChange:
    """Rows to write into a table that is in use: Parquet files with its stored columns, values encoded as `encodings` say."""

    table: Table
    encodings: dict[str, Encoding]
    inserts: Sequence[Path]
    updates: Sequence[Path]  # found by their primary key, which never changes


class MergeTransaction(Protocol):
    """One transaction on a database in use, from the first row read until the commit; nobody else writes meanwhile."""

    committed: bool

    def view(self) -> View:
        """The database as the transaction sees it: before `write` as it was, after it as it will be."""

    def write(self, changes: Sequence[TableChange]) -> None:
        """Insert and update rows. No trigger fires; references are checked when all is written.

        Raises:
            MergeRefused: the database refused a row, or a reference would point at nothing.
        """

    def commit(self) -> None:
        """Make it so. Without it, leaving the transaction takes everything back."""


class Database(Protocol):
    """A database of the EDMS."""

    address: DatabaseAddress

    def check(self) -> ServerFacts:
        """Connect and ask for the version; raises DatabaseRefused."""

    def sqlalchemy_url(self) -> str:
        """Its URL for SQLAlchemy, whose sessions then find what ours find; holds the password: never log it."""
        ...

    def check_source(self, scratch: Path) -> None:
        """Everything that would stop a backup that uses the folder `scratch`, asked before it begins; raises ToolMissing, NoSpace."""

    def view(self, scratch: Path, jobs: int) -> AbstractContextManager[View]:
        """Open one consistent view for `jobs` parallel readers; `scratch` is a folder for temporary files."""

    def merging(self, scratch: Path, tables: Sequence[Table]) -> AbstractContextManager[MergeTransaction]:
        """Begin a merge: nobody else writes to these tables until it ends. Raises TargetInUse where somebody does."""

    def check_target(self, into: str | None, *, promote: bool, disconnect: bool) -> tuple[str, ...]:
        """Everything that would stop a restore, asked before anything is changed; returns notes."""

    def in_use(self) -> str | None:
        """Why the live database could not be swapped now, as far as that can be told without touching it."""
        ...

    def stage(self, schema: CapturedSchema, into: str | None, jobs: int) -> StagingDatabase:
        """Create the staging database with the tables of the snapshot, empty; removes what a killed run left."""

    def blank(self, into: str, folder: Path) -> AbstractContextManager[DatabaseAddress]:
        """An empty database for the EDMS's migrations to make tables in, gone afterwards (`into`, if it was used, empty again).

        Args:
            into: the database that is being restored into. Where the role may create none, it is used if it is there.
            folder: for a database that is a file.
        """

    def replayed(self, schema: CapturedSchema, folder: Path) -> AbstractContextManager[DatabaseAddress]:
        """A database made of a captured schema alone, gone afterwards: it shows in which words this server tells it.

        Args:
            schema: the captured schema.
            folder: for a database that is a file.

        Raises:
            MayNotCreateDatabases, ServerNotReady, TerminalError: none can be made.
        """

    def foresee(self, schema: CapturedSchema, folder: Path, *, into: str | None = None, thorough: bool) -> Foresight:
        """What of a captured schema a restore could not make here; a database that is made to try it is gone afterwards.

        Args:
            schema: the captured schema.
            folder: for a database that is a file.
            into: the database that would be restored into, where it is not the live one.
            thorough: try it even where nothing in the schema could be refused on the server that it comes from.
        """
        ...

    def lock(
        self, name: str, kind: LockKind, *, shared: bool, purpose: str, wait: Wait = give_up
    ) -> AbstractContextManager[HeldLock]:
        """Hold a lock on the database `name` of this server, against everybody who comes to it (locking.py).

        Raises:
            TargetLocked: as `wait` says, while somebody else holds it.
            LockUnavailable: it cannot be locked here.
        """

    def locked_by(self, name: str, kind: LockKind) -> TargetLocked | None:
        """Who holds that lock, asked without taking it."""

    def remove_leftovers(self, target: str) -> tuple[str, ...]:
        """Drop staging databases of killed runs; returns their names. The caller holds the work lock of `target`."""

    def exists(self, name: str) -> bool:
        """Whether a database of that name is on this server (SQLite: a file at that path)."""

    def identity(self, name: str) -> str:
        """What tells a database from another that gets its name; "" where there is none of that name."""

    def previous_name(self, stamp: str) -> str:
        """The name the live database gets when a restore is promoted at `stamp`."""

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
        """Live becomes `previous` (when it exists), `incoming` becomes live: one atomic step.

        Args:
            incoming: the database that goes live.
            previous: the name the live one gets.
            expected: what `seal` or `identity` said of `incoming`; "" where nobody has asked.
            confirm: called at the last moment; raises where the swap must not be.
            disconnect: end other connections to the live database.
            confirmed: is noted at the database, for `promoted_by`.

        Raises:
            TargetInUse: somebody uses the live database.
            TargetChanged: `incoming` is not what was expected. In both cases nothing was changed.
        """

    def finish_swap(self, previous: str, confirmed: Confirmed | None) -> None:
        """What a kill after the swap left undone at the database that gave way, and of the note."""

    def promoted_by(self, confirmation: str) -> str:
        """The stamp under which a swap that was confirmed with this was made here; "" where there was none."""
        ...
