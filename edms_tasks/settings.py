"""The settings: `edms-backup.toml`, every key overridable by an `EDMS_BACKUP__…` environment variable.

    [edms]                      EDMS_BACKUP__EDMS__PROJECT=/srv/edms
    project = "/srv/edms"

Relative paths are relative to the settings file. Unknown keys are errors with a suggestion.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from edms_tasks.approval_settings import ApprovalSettings
from edms_tasks.convert_settings import ConvertSettings
from edms_tasks.drill_settings import DrillSettings, words_of
from edms_tasks.errors import SettingsError
from edms_tasks.file_settings import FilesSettings as FilesSettings
from edms_tasks.hook_settings import HooksSettings
from edms_tasks.json_text import parsed_json
from edms_tasks.repository_settings import ID, CopySettings, StatusSettings
from edms_tasks.repository_settings import RepositorySettings as RepositorySettings
from edms_tasks.retention_settings import RetentionSettings
from edms_tasks.run_settings import RunSettings
from edms_tasks.schedule_settings import ScheduleSettings
from edms_tasks.settings_errors import PREFIX as PREFIX
from edms_tasks.settings_errors import explain
from edms_tasks.signal_settings import MetricsSettings, NotifySettings
from edms_tasks.soft_reference_settings import Section, SoftReferenceSettings
from edms_tasks.validate_settings import ValidateSettings

CONFIG_FOLDERS = "EDMS_BACKUP_CONFIG_FOLDERS"
"""Variable of a worker: the folders that hold the settings files which its runs may use."""


class EdmsSettings(Section):
    """The protected Django project."""

    id: str | None = Field(
        default=None,
        pattern=ID,
        description="The permanent id of this EDMS, recorded in its snapshots. Keep it when host, database or folder change.",
    )
    project: Path | None = Field(default=None, description="Folder of manage.py; it is put on sys.path.")
    settings: str | None = Field(default=None, description="The Django settings module, e.g. config.settings.")
    python: Path | None = Field(default=None, description="The EDMS's own interpreter; default: the one running now.")
    command: tuple[str, ...] = Field(
        default=(),
        description="Instead of python, for an EDMS in a container or on another host: the command that starts its interpreter there. "
        "project is then a folder there.",
    )
    env: dict[str, SecretStr] = Field(default={}, description="Environment variables the EDMS's settings need.")
    database: str = Field(default="default", description="Alias in Django's DATABASES.")
    database_url: SecretStr | None = Field(
        default=None,
        description="The address of its database from here, if it differs from the EDMS's own; what the URL omits comes from the EDMS.",
    )
    client_programs: Path | None = Field(
        default=None,
        description="Folder of the database server's client programs (pg_dump, pg_restore); default: the ones in PATH,"
        " or others on this machine where those are older than the server.",
    )
    unapplied_migrations: Literal["refuse", "record"] = Field(
        default="refuse",
        description="Refuse to back up a database whose migrations are behind, or record it as a finding.",
    )


class ExcludeSettings(Section):
    """What a backup leaves out; every exclusion is listed in the manifest and the report."""

    tables: tuple[str, ...] = Field(
        default=(), description="Models or tables whose rows are left out, e.g. sessions.Session."
    )
    databases: tuple[str, ...] = Field(
        default=(),
        description="Other databases of the EDMS, by their aliases in DATABASES, that are left out on purpose: each is backed up with a "
        "settings file of its own, or holds nothing to keep.",
    )
    files: tuple[str, ...] = Field(default=(), description="Glob patterns of files left out, relative to their root.")
    folders: tuple[Path, ...] = Field(
        default=(), description="Folders around the EDMS whose files are not backed up, even if rows name them."
    )
    storages: tuple[str, ...] = Field(
        default=(),
        description="Django storages without a folder that hold no documents, by address, field or alias, e.g. STORAGES['cache'].",
    )
    running: tuple[str, ...] = Field(
        default=("*.pid", "*.lock", "*.lck", "*LOCK", "*_lock"),
        description="Glob patterns of lock files and files of process ids; only those of up to 64 bytes are left out.",
    )
    indexes: tuple[str, ...] = Field(
        default=(
            "_*_[0-9]*.toc *.seg *LOCK",  # Whoosh
            ".managed.json meta.json .* ????????????????????????????????.*",  # Tantivy
            "iamglass flintlock *.glass",  # Xapian
            "segments_* _*.* segments.gen write.lock pending_segments_*",  # Lucene
        ),
        description="Search indexes, which the EDMS can rebuild: a folder that has a file of the first glob pattern, and "
        "whose entries all match one of them, is left out.",
    )


class DerivedSettings(Section):
    """Tables that the EDMS computes from others, such as search indexes."""

    tables: tuple[str, ...] = Field(
        default=(),
        description="Models or tables that a merge and a change of engine leave alone, because the EDMS rebuilds them.",
    )
    columns: tuple[str, ...] = Field(
        default=(),
        description="Columns that the EDMS computes, app.Model.field; a merge leaves them alone, and empty in new rows. A change of engine "
        "leaves out those that have no equal in the other engine.",
    )
    rebuild: tuple[str, ...] = Field(
        default=(),
        description="Management commands that rebuild them; run after a merge, a promoted restore or a change of engine.",
    )

    @field_validator("rebuild")
    @classmethod
    def _have_words(cls, commands: tuple[str, ...]) -> tuple[str, ...]:
        for command in commands:
            words_of(command)  # rather now than after the commit
        return commands


class MergeSettings(Section):
    """What a merge must know about this EDMS."""

    not_references: tuple[str, ...] = Field(
        default=(),
        description="Columns that look like ids of rows and are not; a merge leaves them as they are.",
    )


class RestoreSettings(Section):
    """The target of a restore."""

    database: SecretStr | None = Field(
        default=None, description="Database URL to restore to when the EDMS's code does not run."
    )
    disconnect: bool = Field(default=False, description="End other connections to the live database when promoting.")
    jobs: int = Field(default=2, ge=1, le=64, description="Parallel connections.")


class Settings(BaseSettings):
    """All settings of one EDMS."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    edms: EdmsSettings = EdmsSettings()
    repository: RepositorySettings = RepositorySettings()
    natural_keys: dict[str, tuple[str, ...]] = Field(
        default={}, description='Model -> field paths, e.g. "documents.Document" = ["number", "version"].'
    )
    convert: ConvertSettings = ConvertSettings()
    copy_: CopySettings = Field(default=CopySettings(), alias="copy")
    status: StatusSettings = StatusSettings()
    approval: ApprovalSettings = ApprovalSettings()
    exclude: ExcludeSettings = ExcludeSettings()
    files: FilesSettings = FilesSettings()
    derived: DerivedSettings = DerivedSettings()
    drill: DrillSettings = DrillSettings()
    hooks: HooksSettings = HooksSettings()
    merge: MergeSettings = MergeSettings()
    restore: RestoreSettings = RestoreSettings()
    retention: RetentionSettings = RetentionSettings()
    run: RunSettings = RunSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    notify: NotifySettings = NotifySettings()
    metrics: MetricsSettings = MetricsSettings()
    validate_: ValidateSettings = Field(default=ValidateSettings(), alias="validate")
    workdir: Path = Field(default=Path(".edms-backup"), description="Scratch files, reports and the promotion journal.")
    memory_limit_mb: int = Field(default=320, ge=128, description="Memory for set-based work; the rest goes to disk.")
    chunk_rows: int = Field(default=65_536, ge=1, le=1 << 24, description="Rows in one chunk, 16,777,216 at most.")
    jobs: int = Field(default=2, ge=1, le=64, description="Tables read or written at the same time.")
    soft_references: tuple[SoftReferenceSettings, ...] = Field(
        default=(),
        description="Ids that neither database nor models declare as references; or as many [[soft_references]] sections.",
    )

    @property
    def scratch(self) -> Path:
        """The folder for temporary files of runs that workers on other machines may take part in."""
        return self.run.scratch or self.workdir

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment takes precedence over the file, whose values are the init values."""
        return _Environment(settings_cls), init_settings


class _Environment(PydanticBaseSettingsSource):
    """`EDMS_BACKUP__SECTION__KEY` variables, including unknown ones, so that a misspelled one is an error.

    Sections and keys are lower-cased, except names the user chooses: below `[edms] env`, `[repository] options`, `[copy] options`,
    `[natural_keys]`, `[files] roots`, `stores`, `beside` and `options`, `[approval] approvers`, `[notify] ping` and `webhook_headers`,
    `[run] cluster_arguments`. A value that begins with `[` or `{` is JSON.
    """

    _FREE = (
        ("edms", "env"),
        ("repository", "options"),
        ("copy", "options"),
        ("natural_keys",),
        ("files", "roots"),
        ("files", "stores"),
        ("files", "beside"),
        ("files", "options"),
        ("approval", "approvers"),
        ("notify", "ping"),
        ("notify", "webhook_headers"),
        ("run", "cluster_arguments"),
    )

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not used: all variables are read at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, text in sorted(os.environ.items()):
            if not name.upper().startswith(PREFIX):
                continue
            path: list[str] = []
            for part in name[len(PREFIX) :].split("__"):
                path.append(part if any(tuple(path[: len(free)]) == free for free in self._FREE) else part.lower())
            here = found
            for part in path[:-1]:
                here = here.setdefault(part, {})
                if not isinstance(here, dict):
                    raise SettingsError(
                        "Two environment variables contradict each other.",
                        where=name,
                        why=f"{part} has a value, so it cannot have parts.",
                        fix="Unset one of them.",
                    )
            here[path[-1]] = self._value(name, text)
        return found

    @staticmethod
    def _value(name: str, text: str) -> Any:
        if not text.startswith(("[", "{")):
            return text
        try:
            return parsed_json(text)
        except ValueError as error:
            raise SettingsError(
                "An environment variable is not valid JSON.", where=name, why=str(error), fix="Fix it, or unset it."
            ) from error


def load_settings(path: Path) -> Settings:
    """Read the settings file and the environment.

    Raises:
        SettingsError: no such file, no TOML, an unknown key (with a suggestion) or an invalid value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(
            "The settings file is not UTF-8 text.",
            where=str(path),
            why=str(error),
            fix="Save it as UTF-8, or name another.",
        ) from error
    except OSError as error:
        raise SettingsError(
            "The settings file cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Write one with `edms-backup init`, or name it with --config FILE.",
        ) from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            "The settings file is not valid TOML.", where=str(path), why=str(error), fix="Fix that line."
        ) from error
    return settings_from(values, where=path)


def settings_from(values: dict[str, Any], *, where: Path) -> Settings:
    """Settings from parsed TOML; `where` is the file, relative paths are relative to its folder."""
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise explain(error, where, Settings) from error
    return _absolute(settings, where.absolute().parent)


def _absolute(settings: Settings, folder: Path) -> Settings:
    def anchored(path: Path) -> Path:
        return Path(os.path.normpath(folder / path.expanduser()))

    edms = settings.edms
    # Links are not resolved: a virtual environment's python is one, and its target is outside the environment.
    python = edms.python if edms.python is None or len(edms.python.parts) == 1 else anchored(edms.python)
    # If the EDMS runs on another machine or in a container, its project folder is a path there.
    project = edms.project if edms.project is None or edms.command else anchored(edms.project)
    command = edms.command
    if command and "/" in command[0]:
        command = (str(anchored(Path(command[0]))), *command[1:])
    url = settings.repository.url
    return settings.model_copy(
        update={
            "edms": edms.model_copy(update={"project": project, "python": python, "command": command}),
            "repository": settings.repository.model_copy(
                update={
                    "url": url if "://" in url else str(anchored(Path(url))),
                    "copies": anchored(settings.repository.copies or settings.workdir / "copies"),
                    **{
                        name: anchored(path)
                        for name in ("write_key", "identity")
                        if (path := getattr(settings.repository, name)) is not None
                    },
                }
            ),
            "copy_": settings.copy_.model_copy(
                update={"url": to if (to := settings.copy_.url) is None or "://" in to else str(anchored(Path(to)))}
            ),
            "files": settings.files.model_copy(
                update={
                    "roots": {n: anchored(p) for n, p in settings.files.roots.items()},
                    "config": tuple(map(anchored, settings.files.config)),
                }
            ),
            "drill": settings.drill.model_copy(
                update={"folder": anchored(drills) if (drills := settings.drill.folder) else None}
            ),
            "exclude": settings.exclude.model_copy(update={"folders": tuple(map(anchored, settings.exclude.folders))}),
            "metrics": settings.metrics.model_copy(
                update={"file": anchored(file) if (file := settings.metrics.file) else None}
            ),
            "run": settings.run.model_copy(
                update={"scratch": anchored(shared) if (shared := settings.run.scratch) else None}
            ),
            "validate_": settings.validate_.model_copy(
                update={"suites": anchored(suites) if (suites := settings.validate_.suites) else None}
            ),
            "workdir": anchored(settings.workdir),
        }
    )
