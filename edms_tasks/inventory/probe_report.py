"""The types of the probe's report: the exact form of the JSON that `probe.py` writes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edms_tasks.inventory.model import Finding, Value

ReferenceKind = Literal["foreign", "one_to_one", "many_to_many", "generic"]


class ProbeField(Value):
    """A concrete Django field that has a column."""

    name: str  # Django's field name
    attname: str
    column: str
    internal_type: str  # Django's get_internal_type(), e.g. "DateTimeField"
    null: bool
    primary_key: bool
    unique: bool
    generated: bool = False
    auto_now: bool = False
    max_length: int | None = None
    max_digits: int | None = None
    decimal_places: int | None = None
    array_depth: int = 0  # of an ArrayField: 2 for lists of lists
    default: str | None = None  # what a migration gives to existing rows, as JSON; None if it is not a constant
    reference_table: str | None = None  # db_table of a foreign key's target
    reference_column: str | None = None
    reference_kind: Literal["foreign", "one_to_one"] | None = None
    on_delete: str = ""  # of a foreign key: CASCADE, PROTECT, …
    parent_link: bool = False
    # of modelcluster's ParentalKey: the name under which a copy of the parent has the rows
    child_list: str | None = None
    file_root: str | None = None  # name of the ProbeFileRoot a FileField's storage writes to


class ProbeGeneric(Value):
    """A GenericForeignKey, or a content type and an object id that look like one (`declared` is False)."""

    name: str
    content_type_column: str
    object_id_column: str
    declared: bool = True


class ProbeUnique(Value):
    """A unique constraint as the model declares it."""

    name: str
    columns: tuple[str, ...]
    conditional: bool = False
    nulls_distinct: bool = True


class ProbeKey(Value):
    """The model's `natural_key()`, as found on real rows.

    `paths` are tuples of columns; all but the last are foreign keys to follow. None if no column paths equal what
    `natural_key()` returned; `problem` says why.
    """

    paths: tuple[tuple[str, ...], ...] | None
    compared_rows: int  # number of rows compared
    problem: str | None = None
    on_manager: bool = True  # get_by_natural_key is on the manager, where Django looks for it
    flat: bool = True  # no part of the key is a tuple itself
    dependencies: tuple[str, ...] = ()


class ProbeLookup(Value):
    """Where `get_by_natural_key` is, and with `--lookups` how it answered for the keys of real rows."""

    place: Literal["manager", "model", ""]  # Django looks for it on the manager; "" if there is none
    parameters: tuple[str, ...] = ()
    asked: int = 0  # number of rows looked up; the counts below are of rows too
    mismatched: int = 0  # the key has another number of parts than the parameters
    raised: int = 0
    not_found: int = 0
    others: int = 0  # it found another row, or several
    examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # name of a count -> examples


class ProbeModel(Value):
    """A concrete model, including automatic many-to-many models."""

    label: str  # "documents.Document"
    table: str
    app_label: str
    model_name: str  # lower-case, as ContentType stores it
    managed: bool = True
    auto_created: bool = False  # an automatic many-to-many table
    swapped: bool = False
    parents: tuple[str, ...] = ()  # tables of multi-table-inheritance parents
    proxies: tuple[tuple[str, str], ...] = ()  # (app_label, model_name) of its proxy models
    fields: tuple[ProbeField, ...]
    columnless: tuple[str, ...] = ()  # names of fields that are made of other fields, such as a ForeignObject
    generics: tuple[ProbeGeneric, ...] = ()
    generic_relations: tuple[str, ...] = ()  # the tables whose rows refer to its rows by content type and id
    parental_lists: tuple[
        tuple[str, str], ...
    ] = ()  # (field, table): a copy of a row has ids of the table's rows there
    uniques: tuple[ProbeUnique, ...] = ()
    natural_key: ProbeKey | None = None
    lookup: ProbeLookup | None = None
    database: str = ""  # the other alias in which the routers of the EDMS keep its rows; "" for the chosen one
    rows_here: bool = True  # whether its rows, or some of them, are in the chosen database

    @property
    def elsewhere(self) -> bool:
        """Whether its rows are in another database only."""
        return bool(self.database) and not self.rows_here


class ProbeDatabase(Value):
    """The connection settings of an alias. The password stays in memory."""

    alias: str
    vendor: str  # Django's connection.vendor
    engine: str
    name: str
    user: str = ""
    password: str = Field(default="", repr=False)
    host: str = ""
    port: str = ""
    # Django's OPTIONS; for PostgreSQL with the parameters that libpq took from its environment.
    options: dict[str, str] = Field(default_factory=dict)
    client_programs: str = ""  # [edms] client_programs
    copy_of_first: bool = False  # no rows of its own: the first database under another name, its replica, or nothing
    time_zone: str = ""  # the time zone of times that Django writes; "" if the EDMS was not asked
    recorded_owner: str = ""  # of a throwaway database; see DatabaseAddress


class ProbeFileRoot(Value):
    """A folder that a file storage of the EDMS writes to."""

    name: str  # "media" for MEDIA_ROOT, otherwise derived from the folder's name; unique
    path: str
    used_by: tuple[str, ...] = ()  # "documents.Document.file"
    # if the EDMS is in a container or on another machine: its path there, while `path` is the one here
    path_there: str = ""


class ProbeStore(Value):
    """A file storage of the EDMS that is no folder."""

    name: str  # as a root of files could be named; unique among roots and stores
    kind: str  # the storage's class, and where it keeps files as far as it says
    url: str = ""  # "s3://bucket/prefix"; "" if it is not known how to reach it
    options: dict[str, str] = Field(default_factory=dict)  # endpoint_url, region; no credentials
    used_by: tuple[str, ...] = ()  # "documents.Document.file", "STORAGES['default']", "documents.storages.archive"


class Surroundings(Value):
    """Where files of the EDMS may be that no FileField names. All folders exist, and their paths are absolute."""

    named: tuple[tuple[str, str], ...] = ()  # (folder, the setting, class or field that names it)
    project: tuple[str, ...] = ()  # BASE_DIR, the working folder, and those of manage.py and of the settings
    code: tuple[str, ...] = ()  # templates, static files, installed packages: folders without files of rows
    urls: tuple[str, ...] = ()  # prefixes of file URLs: MEDIA_URL
    unasked: tuple[str, ...] = ()  # fields and storages whose code failed when asked for its folder


class ProbeMigration(Value):
    """A migration of the EDMS's code, as its file defines it."""

    app: str
    name: str
    dependencies: tuple[tuple[str, str], ...] = ()
    replaces: tuple[tuple[str, str], ...] = ()  # of a squashed migration: those it replaces

    @property
    def key(self) -> tuple[str, str]:
        """(app, name) as in `django_migrations`."""
        return (self.app, self.name)


class ProbeReport(Value):
    """The whole report."""

    format: Literal[1] = 1
    python: str
    django: str
    use_tz: bool | None = None  # USE_TZ; None if the EDMS was not asked
    settings_module: str
    databases: tuple[ProbeDatabase, ...]  # the chosen alias first, then the others
    models: tuple[ProbeModel, ...]
    file_roots: tuple[ProbeFileRoot, ...]
    stores: tuple[ProbeStore, ...] = ()
    surroundings: Surroundings = Surroundings()
    migrations_applied: tuple[tuple[str, str], ...]  # (app label, migration name) in django_migrations
    migrations_known: tuple[tuple[str, str], ...]  # all in the code's graph (replaced ones included)
    migrations_leaves: tuple[tuple[str, str], ...]
    migrations_unapplied: tuple[tuple[str, str], ...]
    migrations: tuple[ProbeMigration, ...] = ()  # all of the code, applied or not
    apps: tuple[str, ...] = ()  # labels of the installed apps
    secret_key_fingerprint: str  # first 16 hex digits of sha256("edms-backup:" + SECRET_KEY)
    database_error: str | None = None  # why the database could not be read; keys and migrations are then missing
    findings: tuple[Finding, ...] = ()
