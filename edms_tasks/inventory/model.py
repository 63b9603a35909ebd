"""The inventory's types: tables, columns, keys, references, file roots, migration state.

`build_inventory.py` makes them from the database's catalogue and the probe's report (`probe_report.py`). They are plain values;
nothing here reads anything.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer


class Value(BaseModel):
    """A frozen pydantic model that refuses unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


Severity = Literal["info", "warning", "error"]


class Finding(Value):
    """Something an administrator should know that did not stop the run."""

    code: str  # a key of `edms_tasks.findings.REGISTRY`, e.g. "dangling-reference"
    severity: Severity
    subject: str  # the model's label, table, file path or setting that it is about
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
    """A column of the database's catalogue, with the model's field if there is one."""

    name: str
    native_type: str  # the engine's own name, e.g. "timestamp with time zone"
    logical_type: LogicalType
    nullable: bool
    generated: bool = False  # computed by the database: in the snapshot, but never written by a restore
    identity: Literal["", "always", "default", "serial", "rowid"] = ""
    field: str | None = None  # Django's field name; None if no model has the column
    # SQLite's NOCASE: texts that differ only in the case of ASCII letters are equal. In manifests only where it is so.
    collation: Literal["", "nocase"] = ""

    @model_serializer(mode="wrap")
    def _without_the_usual(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = plain(self)
        if not self.collation:
            del found["collation"]
        return found


class UniqueKey(Value):
    """A unique constraint or index of the database."""

    name: str
    columns: tuple[str, ...]
    partial: bool = False  # it has a WHERE clause: a key of some rows only
    # If the clause consists of IS NULL and IS NOT NULL tests only, their columns; else empty.
    where_null: tuple[str, ...] = ()
    where_filled: tuple[str, ...] = ()
    nulls_distinct: bool = True
    condition: str = ""  # the WHERE clause as the engine has it, where it says more than that


class UniqueRule(Value):
    """What the database keeps unique besides its unique keys, by other means than equal values of columns.

    `terms` are the values that no two rows share, in the engine's SQL; none if only the database can compare rows (an exclusion
    constraint, texts in an order of their own). `condition` is the WHERE clause of the index, "" without one.
    """

    name: str
    terms: tuple[str, ...] = ()
    condition: str = ""


FOUND = "@to:"
"""The prefix of raw rows' extra columns: the key values of the referenced row, as the database found it."""


class Comparison(Value):
    """How the database compares a referencing column with the referenced one; all names are (schema, name)."""

    operator: tuple[str, str]  # the referenced column is its left operand
    pointed_type: tuple[str, str] | None = None  # the type that the referenced column is cast to first; None: no cast
    pointing_type: tuple[str, str] | None = None  # the same for the referencing column
    collation: tuple[str, str] | None = None


class ForeignReference(Value):
    """Columns that refer to a row of another table (foreign key, one-to-one, each half of a many-to-many)."""

    kind: Literal["foreign", "one_to_one", "many_to_many"]
    name: str  # unique within the table; the column name for single-column references
    columns: tuple[str, ...]
    target: str  # Table.id
    target_columns: tuple[str, ...]
    enforced: bool = True  # the database has the constraint
    # If the target is a partitioned table: the tables (Table.id) that contain its rows.
    partitions: tuple[str, ...] = ()
    temporal: bool = False  # the last column is a period, which the periods of several rows may cover together
    # For each column, if values with different texts may be equal to the database; () if equal texts decide.
    comparisons: tuple[Comparison, ...] = ()

    @property
    def targets(self) -> tuple[str, ...]:
        """The ids of the tables that contain the referenced rows."""
        return self.partitions or (self.target,)

    @property
    def found_columns(self) -> tuple[str, ...]:
        """The names of raw rows' extra columns for this reference; none unless it has `comparisons`.

        They contain the key values of the referenced row, NULL if there is none. A temporal reference has one column, which is
        true if the period is covered.
        """
        found = self.columns[:1] if self.temporal else self.columns
        return tuple(f"{FOUND}{self.name}:{number}" for number, _ in enumerate(found if self.comparisons else ()))


class GenericReference(Value):
    """A content type and an object id that together refer to a row of any model."""

    kind: Literal["generic"] = "generic"
    name: str
    content_type_column: str
    object_id_column: str
    declared: bool = True  # by a GenericForeignKey, or in the settings


IdKind = Literal["number", "uuid", "text"]
LeafForm = Literal["value", "list", "pattern", "tag"]
"""How a text holds ids: it is one, a list of them, or has them in strings of a pattern or in attributes of tags."""
SoftForm = LeafForm | Literal["json", "copy"]


class Condition(Value):
    """A condition on another column of the row; a reference with several conditions exists only if all are true."""

    column: str
    values: tuple[str, ...]  # as text; one of them
    models: bool = False  # the values are content types ("documents.document"), and the column refers to them


class IdPlace(Value):
    """A place of ids in a column's values: the whole text or a path of its JSON, and the form of the ids there."""

    where: tuple[Condition, ...] = ()
    path: str = ""  # into JSON; "": the value itself
    form: LeafForm
    expression: str = ""  # the separator of a list, a pattern, a tag
    part: int = 0  # of a pattern with several ids: which of them


class SoftReference(Value):
    """A column with ids of another table's rows that only the settings declare: neither the database nor a model has the reference."""

    kind: Literal["soft"] = "soft"
    name: str  # unique within the table
    column: str
    target: str  # Table.id
    target_column: str
    id_kind: IdKind  # of the target's column; a pattern depends on it
    form: SoftForm
    expression: str = ""  # the separator of a list, the path into JSON, a pattern, a tag, the model that is copied
    path: str = ""  # to the strings in JSON that hold the list, the pattern or the tag
    where: tuple[Condition, ...] = ()
    part: int = 0  # of a pattern with several ids: which of them
    copied: tuple[IdPlace, ...] = ()  # of the form "copy": where a copy of a row holds ids of the target

    @property
    def places(self) -> tuple[IdPlace, ...]:
        """The places of this reference's ids in the column's values."""
        if self.form == "copy":
            return self.copied
        if self.form == "json":
            return (IdPlace(where=self.where, path=self.expression, form="value"),)
        return (IdPlace(where=self.where, path=self.path, form=self.form, expression=self.expression, part=self.part),)

    @property
    def targets(self) -> tuple[str, ...]:
        """The ids of the tables that contain the referenced rows."""
        return (self.target,)


Reference = Annotated[ForeignReference | GenericReference | SoftReference, Field(discriminator="kind")]

KeySource = Literal["settings", "natural_key", "unique", "uuid", "surrogate", "content"]
"""`content` is never in a snapshot: a merge uses it for tables without any key, and compares whole rows."""


class NaturalKey(Value):
    """The business identity of a table's rows.

    Each path is a tuple of columns. All but the last are single-column foreign keys to follow. If the last one is itself
    a foreign key, it stands for the natural key of the row that it refers to.
    """

    source: KeySource
    paths: tuple[tuple[str, ...], ...]
    # Ids without a foreign key (a generic reference's, and soft ones) stand for the rows that they lead to, as foreign keys do.
    by_meaning: bool = False
    readable: str = ""  # for people: "document.number, version"


CONTENT_TYPES = "django_content_type"
"""The name and id of the table of Django's content types."""

ROW_ID = "@rowid"
"""The chunk column with SQLite's hidden row id, for tables in which no column is the row id."""


class Table(Value):
    """A table of the EDMS's database."""

    id: str  # the name, or "schema.name" where the EDMS does not find the table by its name alone; unique in the inventory
    schema_name: str | None  # None on engines without schemas
    name: str
    model: str | None = None  # "documents.Document"; None if no model owns the table
    extension: str | None = None  # the PostgreSQL extension that created it; None for a table of the EDMS
    content_type: tuple[str, str] | None = None  # (app_label, model_name) as in django_content_type
    proxy_content_types: tuple[tuple[str, str], ...] = ()  # the same of the model's proxies, which share its rows
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    row_ids: bool = False  # SQLite has a hidden row id beside the primary key; the snapshot contains it
    unique_keys: tuple[UniqueKey, ...] = ()
    # Of a database, not of a snapshot: what else is unique, the unique keys that are compared at the end of a transaction, and the
    # expressions of generated columns, in the engine's SQL.
    unique_rules: tuple[UniqueRule, ...] = Field(default=(), exclude=True)
    deferred_uniques: tuple[str, ...] = Field(default=(), exclude=True)
    computed: tuple[tuple[str, str], ...] = Field(default=(), exclude=True)
    references: tuple[Reference, ...] = ()
    file_columns: tuple[tuple[str, str], ...] = ()  # (column, file root name)
    # What copies of rows in JSON hold besides the fields (modelcluster): (foreign key's column, name): the list of this table's
    # rows in a copy of the row that they refer to; (name, Table.id): lists of ids.
    child_lists: tuple[tuple[str, str], ...] = ()
    id_lists: tuple[tuple[str, str], ...] = ()
    generic_relations: tuple[
        str, ...
    ] = ()  # Table.id of tables whose rows may be about its rows, by its GenericRelations
    key_candidates: tuple[NaturalKey, ...] = ()  # best first; the last one is the surrogate, if there is a primary key
    # The paths of the natural key by which Django's fixtures can name the rows: the model's `natural_key()`, for which its
    # default manager has `get_by_natural_key`. () if there is none, or if it is not recorded.
    fixture_key: tuple[tuple[str, ...], ...] = ()

    @property
    def label(self) -> str:
        """The name for people: the model's label, or the table's id."""
        return self.model or self.id

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def parent(self) -> str | None:
        """The table whose ids the rows share, because their primary key refers to it (multi-table inheritance); otherwise None."""
        for reference in self.references:
            if isinstance(reference, ForeignReference) and reference.columns == self.primary_key:
                return reference.target
        return None

    @property
    def found_columns(self) -> tuple[str, ...]:
        """The names of raw rows' extra columns (`ForeignReference.found_columns`)."""
        return tuple(
            name
            for reference in self.references
            if isinstance(reference, ForeignReference)
            for name in reference.found_columns
        )

    @property
    def soft_references(self) -> tuple[SoftReference, ...]:
        """The soft references, which only the settings declare."""
        return tuple(reference for reference in self.references if isinstance(reference, SoftReference))

    @property
    def soft_columns(self) -> tuple[str, ...]:
        """The names of columns with soft references, in the table's order."""
        held = {reference.column for reference in self.soft_references}
        return tuple(column.name for column in self.columns if column.name in held)

    @property
    def content_types(self) -> tuple[tuple[str, str], ...]:
        """The content types that generic references to its rows may have: its model's and those of the proxies."""
        return ((self.content_type,) if self.content_type else ()) + self.proxy_content_types

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that a restore writes: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)


class EdmsIdentity(Value):
    """Which EDMS a snapshot is of: an id for programs, and names for people."""

    id: str = Field(min_length=1, max_length=200)
    given: (
        bool  # whether [edms] id sets the id; otherwise it is derived from host, database, project and settings module
    )
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
    # The zone of the times that Django keeps without one (SQLite); "" if they have none (USE_TZ is off). None: not recorded.
    time_zone: str | None = None
    migrations_applied: tuple[tuple[str, str], ...]
    migrations_leaves: tuple[tuple[str, str], ...]


class FileRoot(Value):
    """A folder of files; a backup contains the whole folder."""

    name: str
    path: str
    used_by: tuple[str, ...] = ()


class PathPlace(Value):
    """From where values of a path column lead: without `strip` at their beginning, after `prefix`, they are paths below the root."""

    root: str  # FileRoot.name
    strip: str = ""  # "/srv/edms/media/" of absolute paths, "media/" of paths from above the root
    prefix: str = ""  # "documents/originals/"


class PathColumn(Value):
    """A column that is no FileField and was found to name files of the roots."""

    table: str  # Table.id
    column: str
    places: tuple[PathPlace, ...]  # a value is the file of the first one that has it; (): its files are in many folders


class FileNameReference(Value):
    """File names that contain the id of a row, as declared in the settings."""

    root: str  # FileRoot.name
    pattern: str  # "thumbnails/{pk:07}.webp"
    target: str  # Table.id
    target_column: str
    id_kind: IdKind


class Inventory(Value):
    """What the EDMS holds; all stages after `inspect` use it."""

    edms: Edms
    engine: str  # "postgresql" | "sqlite"
    tables: tuple[Table, ...]
    file_roots: tuple[FileRoot, ...]
    file_names: tuple[FileNameReference, ...] = ()
    findings: tuple[Finding, ...] = ()

    def table(self, table_id: str) -> Table:
        """The table of that id; raises KeyError if there is none."""
        for table in self.tables:
            if table.id == table_id:
                return table
        raise KeyError(table_id)
