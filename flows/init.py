"""Init: write a commented settings file and try what it says: does the EDMS load, do database and repository answer?"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.errors import CommandError, DatabaseRefused, EdmsBackupError, TerminalError
from edms_tasks.inventory.inspect import run_probe
from edms_tasks.inventory.model import ProbeReport
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings, settings_from
from flows.settings_template import settings_text

_MODULE = re.compile(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)['\"]")


@dataclass(frozen=True)
class Check:
    """Something tried."""

    subject: str
    answer: str
    error: EdmsBackupError | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        failure = self.error.as_json() if self.error else None
        return {"subject": self.subject, "success": self.error is None, "answer": self.answer, "error": failure}


@dataclass(frozen=True)
class InitResult:
    """The file that was written, and what was tried with it."""

    config: Path
    checks: tuple[Check, ...]

    @property
    def exit_code(self) -> int:
        """0, or that of the first check that failed."""
        return next((check.error.exit_code for check in self.checks if check.error), 0)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"config": str(self.config), "checks": [check.as_json() for check in self.checks]}


def initialise(
    config: Path,
    *,
    project: Path | None,
    settings_module: str | None,
    python: Path | None,
    repository: str | None,
    force: bool,
) -> InitResult:
    """Write the settings file and try it. The file stays where a check failed: it is what has to be mended."""
    project = project.absolute() if project else _find_project(Path.cwd())
    module = settings_module or (_find_module(project) if project else None)
    answers: dict[str, str] = {}
    if project:
        answers["edms.project"] = str(project)
    if module:
        answers["edms.settings"] = module
    if python:
        answers["edms.python"] = str(python if len(python.parts) == 1 else python.absolute())
    if repository:
        answers["repository.url"] = repository if "://" in repository else str(Path(repository).absolute())
    text = settings_text(answers)
    settings = settings_from(tomllib.loads(text), where=config)
    _write(config, text, force=force)
    return InitResult(config=config.absolute(), checks=_try(settings))


def _find_project(folder: Path) -> Path | None:
    return folder if (folder / "manage.py").is_file() else None


def _find_module(project: Path) -> str | None:
    if named := os.environ.get("DJANGO_SETTINGS_MODULE"):
        return named
    try:
        found = _MODULE.search((project / "manage.py").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None  # no manage.py: the check of the EDMS says what is missing
    return found.group(1) if found else None


def _write(config: Path, text: str, *, force: bool) -> None:
    if config.exists() and not force:
        raise CommandError(
            "The settings file exists.", where=str(config), cure="Edit it, or pass --force to write it anew."
        )
    partial = config.with_name(config.name + ".part")
    try:
        partial.unlink(missing_ok=True)
        # Only for its owner, since passwords may come to stand in it.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(config)
    except OSError as error:
        raise CommandError(
            "The settings file cannot be written.",
            where=str(config),
            why=error.strerror or str(error),
            cure="Name another one with --config FILE.",
        ) from error


def _try(settings: Settings) -> tuple[Check, ...]:
    reports: list[ProbeReport] = []

    def edms() -> str:
        report = run_probe(settings)
        reports.append(report)
        return f"{report.settings_module}: {len(report.models)} models, Django {report.django}"

    def database() -> str:
        if not reports:
            raise TerminalError(
                "The database was not asked.", why="Only the EDMS knows where it is.", cure="Mend [edms] first."
            )
        report = reports[0]
        address = DatabaseAddress.from_probe(report.databases[0])
        facts = open_database(address).check()
        if report.database_error:
            raise DatabaseRefused(
                "The EDMS cannot reach its database.", where=address.display, why=report.database_error
            )
        create = "" if facts.may_create_databases else "; this role may NOT create databases, which a restore needs"
        return f"{address.display}: {facts.engine} {facts.version}{create}"

    def repository() -> str:
        return Repository.create(settings.repository).display

    return _check("EDMS", edms), _check("database", database), _check("repository", repository)


def _check(subject: str, ask: Callable[[], str]) -> Check:
    try:
        return Check(subject, ask())
    except EdmsBackupError as error:
        return Check(subject, "", error)
