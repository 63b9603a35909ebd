"""The probe's report: what the EDMS says of itself, as it is read from the probe's JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from edms_tasks.inventory.model import Finding, Value

ReferenceKind = Literal["foreign", "one_to_one", "many_to_many", "generic"]


class ProbeField(Value):
    """One concrete Django field with a column of its own."""

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
    reference_table: str | None = None  # db_table of a foreign key's target
    reference_column: str | None = None
    reference_kind: Literal["foreign", "one_to_one"] | None = None
    parent_link: bool = False
    file_root: str | None = None  # name of the ProbeFileRoot a FileField's storage writes to


class ProbeGeneric(Value):
    """A GenericForeignKey, or a look-alike that no GenericForeignKey declares."""

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

    `paths` are tuples of *columns*: all but the last are foreign-key columns to be followed. None: no tuple of
    column paths equals what `natural_key()` returned, `problem` says why.
    """

    paths: tuple[tuple[str, ...], ...] | None
    compared_rows: int  # number of rows compared
    problem: str | None = None
    on_manager: bool = True  # get_by_natural_key is where Django looks for it
    dependencies: tuple[str, ...] = ()


class ProbeLookup(Value):
    """Where `get_by_natural_key` is, and how it answered for real rows' own keys (asked by `--lookups` only)."""

    place: Literal["manager", "model", ""]  # Django looks for it on the manager; "": there is none
    parameters: tuple[str, ...] = ()
    asked: int = 0  # rows; each is asked for once and counted at most once below
    mismatched: int = 0  # the key has another number of parts than the parameters
    raised: int = 0
    not_found: int = 0
    others: int = 0  # another row, or several
    examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)  # by the name of the count


class ProbeModel(Value):
    """One concrete model (automatic many-to-many tables included)."""

    label: str  # "documents.Document"
    table: str
    app_label: str
    model_name: str  # lower-case, as ContentType stores it
    managed: bool = True
    auto_created: bool = False  # an automatic many-to-many table
    swapped: bool = False
    parents: tuple[str, ...] = ()  # tables of multi-table-inheritance parents
    proxies: tuple[tuple[str, str], ...] = ()  # (app_label, model_name) of the proxies: they have content types too
    fields: tuple[ProbeField, ...]
    generics: tuple[ProbeGeneric, ...] = ()
    uniques: tuple[ProbeUnique, ...] = ()
    natural_key: ProbeKey | None = None
    lookup: ProbeLookup | None = None


class ProbeDatabase(Value):
    """The connection settings of the alias that is backed up. The password never leaves memory."""

    alias: str
    vendor: str  # Django's connection.vendor
    engine: str
    name: str
    user: str = ""
    password: str = Field(default="", repr=False)
    host: str = ""
    port: str = ""
    options: dict[str, str] = Field(
        default_factory=dict
    )  # Django's OPTIONS; for PostgreSQL with what libpq took from its environment
    client_programs: str = ""  # from our settings
    time_zone: str = ""  # in which Django writes times there; "": the EDMS was not asked


class ProbeFileRoot(Value):
    """A folder that a file storage of the EDMS writes to."""

    name: str  # "media" for MEDIA_ROOT, otherwise derived from the folder's name; unique
    path: str
    used_by: tuple[str, ...] = ()  # "documents.Document.file"


class Surroundings(Value):
    """Where files of the EDMS may be that no FileField tells of; all folders were there, and are absolute."""

    named: tuple[tuple[str, str], ...] = ()  # (folder, the setting, class or field that names it)
    project: tuple[str, ...] = ()  # BASE_DIR, the working folder, that of manage.py, that of the settings
    code: tuple[str, ...] = ()  # templates, static files, installed packages: no files of rows
    urls: tuple[str, ...] = ()  # what URLs of files begin with: MEDIA_URL
    unasked: tuple[str, ...] = ()  # fields and storages whose code failed when it was asked for its folder


class ProbeMigration(Value):
    """One migration of the EDMS's code, by what its file says."""

    app: str
    name: str
    dependencies: tuple[tuple[str, str], ...] = ()
    replaces: tuple[tuple[str, str], ...] = ()  # of a squashed one: those it stands for

    @property
    def key(self) -> tuple[str, str]:
        """How `django_migrations` names it."""
        return (self.app, self.name)


class ProbeReport(Value):
    """Everything the probe says about the EDMS."""

    format: Literal[1] = 1
    python: str
    django: str
    settings_module: str
    databases: tuple[ProbeDatabase, ...]  # the chosen alias first, then the others
    models: tuple[ProbeModel, ...]
    file_roots: tuple[ProbeFileRoot, ...]
    surroundings: Surroundings = Surroundings()
    migrations_applied: tuple[tuple[str, str], ...]  # (app label, migration name) in django_migrations
    migrations_known: tuple[tuple[str, str], ...]  # all in the code's graph (replaced ones included)
    migrations_leaves: tuple[tuple[str, str], ...]
    migrations_unapplied: tuple[tuple[str, str], ...]
    migrations: tuple[ProbeMigration, ...] = ()  # of the code, whatever the database holds
    apps: tuple[str, ...] = ()  # labels of the installed apps
    secret_key_fingerprint: str  # first 16 hex digits of sha256("edms-backup:" + SECRET_KEY)
    database_error: str | None = None  # the database could not be asked; keys and migrations were not read
    findings: tuple[Finding, ...] = ()
