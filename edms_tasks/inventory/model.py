"""What the EDMS holds, as values: tables, columns, keys, references, file roots, migration state.

Two families live here. `Probe*` types are the exact shape of the JSON that `probe.py` writes inside the EDMS's own
interpreter. `Table` and its parts are the product's own view, merged from the database's catalogue (the truth about
what exists) and the probe (the truth about what it means). Both are plain values; nothing here reads anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """A frozen model that refuses fields it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


Severity = Literal["info", "warning", "error"]


class Finding(Value):
    """Something an administrator should know and that did not stop the run."""

    code: str  # stable slug, e.g. "dangling-reference"
    severity: Severity
    subject: str  # model label, table, file path or setting it concerns
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()
    fix: str = Field(default="", alias="cure")  # its name in manifests

    def as_json(self) -> dict[str, Any]:
        """For `--json`. `cure` is the older name of `fix`."""
        return self.model_dump(mode="json") | {"fix": self.fix}


LogicalType = Literal[
    "integer", "boolean", "decimal", "float", "text", "json", "uuid", "date", "time", "datetime", "duration", "binary", "other"
]  # fmt: skip


class Column(Value):
    """A column as the database has it, with what the model says of it where it says anything."""

    name: str
    native_type: str  # the engine's own name, e.g. "timestamp with time zone"
    logical_type: LogicalType
    nullable: bool
    generated: bool = False  # computed by the database: read for the record, never written
    identity: Literal["", "always", "default", "serial", "rowid"] = ""
    field: str | None = None  # Django's field name, None where no model owns the column


class UniqueKey(Value):
    """A unique constraint or index as the database enforces it."""

    name: str
    columns: tuple[str, ...]
    partial: bool = False  # has a WHERE clause: a key of some rows only
    where_null: tuple[str, ...] = ()  # that clause, where all it says is that these columns are NULL …
    where_filled: tuple[str, ...] = ()  # … and that these are not
    nulls_distinct: bool = True


FOUND = "@to:"
"""How the names of the columns begin in which raw rows hold what the database found at the end of a reference."""


class Comparison(Value):
    """How the database compares a column of a reference with the one it points at; names with their schemas."""

    operator: tuple[str, str]  # what is pointed at stands on its left
    pointed_type: tuple[str, str] | None = None  # what the two are cast to before, where that is another type
    pointing_type: tuple[str, str] | None = None
    collation: tuple[str, str] | None = None


class ForeignReference(Value):
    """Columns that point at a row of another table (foreign key, one-to-one, each half of a many-to-many)."""

    kind: Literal["foreign", "one_to_one", "many_to_many"]
    name: str  # unique within the table; the column name for single-column references
    columns: tuple[str, ...]
    target: str  # Table.id
    target_columns: tuple[str, ...]
    enforced: bool = True  # the database has the constraint
    partitions: tuple[
        str, ...
    ] = ()  # where the target is a partitioned table: the tables (Table.id) that hold its rows
    temporal: bool = False  # the last column is a period, which the periods of several rows may cover together
    # Of all columns, where equality of what is written is not equality to the database; () where it is.
    comparisons: tuple[Comparison, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The tables that hold the rows it points at."""
        return self.partitions or (self.target,)

    @property
    def found_columns(self) -> tuple[str, ...]:
        """Where the database compares for us, the columns of raw rows that hold what it found.

        They are the values as the row that is pointed at has them, NULL where there is none. A temporal reference has one,
        true where the period is covered.
        """
        found = self.columns[:1] if self.temporal else self.columns
        return tuple(f"{FOUND}{self.name}:{number}" for number, _ in enumerate(found if self.comparisons else ()))


class GenericReference(Value):
    """A content type and an object id that together point at a row of any model."""

    kind: Literal["generic"] = "generic"
    name: str
    content_type_column: str
    object_id_column: str
    declared: bool = True  # by a GenericForeignKey, or in the settings


SoftForm = Literal["value", "list", "json", "pattern"]
IdKind = Literal["number", "uuid", "text"]


class SoftReference(Value):
    """Ids of rows of one table that the settings say a column holds, where no database and no model knows of it."""

    kind: Literal["soft"] = "soft"
    name: str  # unique within the table
    column: str
    target: str  # Table.id
    target_column: str
    id_kind: IdKind  # of the target's column; said here too, since a pattern depends on it
    form: SoftForm
    expression: str = ""  # the separator of a list, the path into JSON, the pattern of a string

    @property
    def targets(self) -> tuple[str, ...]:
        """The tables that hold the rows it points at."""
        return (self.target,)


Reference = Annotated[ForeignReference | GenericReference | SoftReference, Field(discriminator="kind")]

KeySource = Literal["settings", "natural_key", "unique", "uuid", "surrogate", "content"]
"""`content` is never in a snapshot: a merge knows rows without any natural key by all that they hold."""


class NaturalKey(Value):
    """The business identity of a table's rows.

    Each path is a tuple of columns: all but the last are single-column foreign references to follow; where the last
    column is itself a foreign reference, the part is the natural key of the row it points at.
    """

    source: KeySource
    paths: tuple[tuple[str, ...], ...]
    readable: str = ""  # for people: "document.number, version"


CONTENT_TYPES = "django_content_type"
"""The table of Django's content types, and its id."""

ROW_ID = "@rowid"
"""The chunk column that holds SQLite's hidden row id, where the table has one that is none of its columns."""


class Table(Value):
    """A table of the EDMS's database."""

    id: str  # the name, or "schema.name" outside the default schema; unique in the inventory
    schema_name: str | None  # None on engines without schemas
    name: str
    model: str | None = None  # "documents.Document"; None where no model owns the table
    extension: str | None = None  # the extension that made it for its users' rows; None for a table of the EDMS
    content_type: tuple[str, str] | None = None  # (app_label, model_name) as django_content_type spells it
    proxy_content_types: tuple[tuple[str, str], ...] = ()  # of the proxies of its model, whose rows are its rows
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    row_ids: bool = False  # SQLite numbers the rows beside their key, and the rows are carried with these numbers
    unique_keys: tuple[UniqueKey, ...] = ()
    references: tuple[Reference, ...] = ()
    file_columns: tuple[tuple[str, str], ...] = ()  # (column, file root name)
    key_candidates: tuple[NaturalKey, ...] = ()  # best first; the last one is always the surrogate, if there is a pk

    @property
    def label(self) -> str:
        """How people know it: the model's label, or the table's id."""
        return self.model or self.id

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def found_columns(self) -> tuple[str, ...]:
        """The columns that raw rows have beside the table's own (`ForeignReference.found_columns`)."""
        return tuple(
            name
            for reference in self.references
            if isinstance(reference, ForeignReference)
            for name in reference.found_columns
        )

    @property
    def soft_references(self) -> tuple[SoftReference, ...]:
        """The references that only the settings declare."""
        return tuple(reference for reference in self.references if isinstance(reference, SoftReference))

    @property
    def soft_columns(self) -> tuple[str, ...]:
        """The columns that hold them, each once, in the table's order."""
        held = {reference.column for reference in self.soft_references}
        return tuple(column.name for column in self.columns if column.name in held)

    @property
    def content_types(self) -> tuple[tuple[str, str], ...]:
        """Every content type by which generic references point at its rows."""
        return ((self.content_type,) if self.content_type else ()) + self.proxy_content_types

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns a restore writes: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)


class EdmsIdentity(Value):
    """Which EDMS a snapshot is of: an id for programs, and names for people."""

    id: str = Field(min_length=1, max_length=200)
    given: bool  # by [edms] id; else derived from host, database, project and settings module
    host: str  # where edms-backup ran
    engine: str
    database: str  # its address without the password; SQLite: the file
    project: str
    settings_module: str


class Edms(Value):
    """The EDMS as recorded in a snapshot."""

    python: str
    django: str
    settings_module: str
    secret_key_fingerprint: str
    migrations_applied: tuple[tuple[str, str], ...]
    migrations_leaves: tuple[tuple[str, str], ...]


class FileRoot(Value):
    """A folder of files that is backed up whole."""

    name: str
    path: str
    used_by: tuple[str, ...] = ()


class FileNameReference(Value):
    """Names of files that hold the id of a row, by declaration in the settings."""

    root: str  # FileRoot.name
    pattern: str  # "thumbnails/{pk:07}.webp"
    target: str  # Table.id
    target_column: str
    id_kind: IdKind


class Inventory(Value):
    """What the EDMS holds: the merged view that everything after `inspect` works from."""

    edms: Edms
    engine: str  # "postgresql" | "sqlite"
    tables: tuple[Table, ...]
    file_roots: tuple[FileRoot, ...]
    file_names: tuple[FileNameReference, ...] = ()
    findings: tuple[Finding, ...] = ()

    def table(self, table_id: str) -> Table:
        """The table of that id; KeyError where there is none."""
        for table in self.tables:
            if table.id == table_id:
                return table
        raise KeyError(table_id)
