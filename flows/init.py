"""Init: write a commented settings file, and check that the EDMS loads and that database and repository answer."""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.databases import DatabaseAddress, open_database
from edms_tasks.drill_settings import words_of
from edms_tasks.durable import write_durably
from edms_tasks.errors import CommandError, DatabaseRefused, EdmsBackupError, SettingsError, TerminalError
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.run_probe import run_probe
from edms_tasks.lineage.owner import identity_of, names_of, same_edms
from edms_tasks.repository import Repository
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import Settings, load_settings, settings_from
from flows.evidence.repository_log import LogFacts, append_entry
from flows.initialising.find_roots import find_roots
from flows.initialising.new_id import new_id
from flows.initialising.profiles import Profile, all_profiles, detect_profile, find_profile
from flows.initialising.settings_template import Answer, settings_text
from flows.live.folder_checks import require_separate
from flows.live.key_safety import keys_to_keep

NO_PROFILE = "none"
KEY_FILES = ("write_key", "identity")
_MODULE = re.compile(r"DJANGO_SETTINGS_MODULE['\"]\s*,\s*['\"]([\w.]+)['\"]")


@dataclass(frozen=True)
class SettingsCheck:
    """A check of the settings, and its result."""

    subject: str
    answer: str
    error: EdmsBackupError | None = None

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        failure = self.error.as_json() if self.error else None
        return {"subject": self.subject, "success": self.error is None, "answer": self.answer, "error": failure}


@dataclass(frozen=True)
class InitResult:
    """The file that was written, and the checks of it."""

    config: Path
    profile: str | None
    checks: tuple[SettingsCheck, ...]
    written: bool = True

    @property
    def exit_code(self) -> int:
        """0, or the exit code of the first check that failed."""
        return next((check.error.exit_code for check in self.checks if check.error), 0)

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "config": str(self.config),
            "written": self.written,
            "profile": self.profile,
            "checks": [check.as_json() for check in self.checks],
        }


def initialise(
    config: Path,
    *,
    project: Path | None,
    settings_module: str | None,
    python: Path | None,
    command: str | None,
    repository: str | None,
    profile: str | None,
    force: bool,
    encrypt: bool = True,
) -> InitResult:
    """Write the settings file and check it. If a check fails, a new file is removed again, unless a command or profile was named.

    Args:
        config: the file to write.
        project: the folder of manage.py; with `command` a path on the EDMS's machine.
        settings_module: the Django settings module.
        python: the EDMS's interpreter on this machine.
        command: the command that starts it on another machine or in a container, as typed in a shell.
        repository: a folder or an fsspec URL.
        profile: the name of a profile; None for the one that fits, "none" for none.
        force: overwrite an existing file.
        encrypt: make a new repository an encrypted one, with its keys beside the settings file.

    Raises:
        CommandError: there is no such profile or no manage.py, or the file cannot be written.
    """
    there_before = config.exists()
    chosen = find_profile(profile) if profile not in (None, NO_PROFILE) else None
    answers = _answers(project, settings_module, python, command, repository) | _kept_ids(config, force=force)
    _require_project(answers)
    settings = _write(config, answers, chosen, force=force)
    reports: list[ProbeReport] = []
    checks = [_check("EDMS", lambda: _ask(settings, reports))]
    if profile is None and reports:
        chosen = detect_profile(reports[0], all_profiles())
        if chosen:
            settings = _write(config, answers, chosen, force=True)
    if chosen is not None and reports:
        checks.append(_check("profile", lambda: _fits(chosen, reports[0])))
    checks.append(_check("database", lambda: _reach(reports)))
    if reports and not any(check.error for check in checks):
        checks.append(_check("files", lambda: _find_roots(settings, reports[0], answers)))
    if not any(check.error for check in checks):  # a repository is made for an EDMS that answers
        keys = _key_files(config) if encrypt else None
        checks.append(_check("repository", lambda: _open_repository(settings, reports, answers, keys)))
        if checks[-1].error is None:
            settings = _write(config, answers, chosen, force=True)
            checks.append(_check("keys", lambda: keys_to_keep(settings)))
    # With a command or a profile the file has too much to type it again: it stays, to be corrected.
    worth_keeping = there_before or command is not None or profile is not None
    if any(check.error for check in checks) and not worth_keeping:
        config.unlink(missing_ok=True)
    return InitResult(config.absolute(), chosen.name if chosen else None, tuple(checks), written=config.exists())


def _require_project(answers: Mapping[str, Answer]) -> None:
    if "edms.command" in answers:
        return
    project = answers.get("edms.project")
    if project is None or not (Path(str(project)) / "manage.py").is_file():
        raise CommandError(
            "There is no manage.py." if project is None else "The project's folder has no manage.py.",
            where=str(project or Path.cwd()),
            fix="Name the folder of the Django project that has it: --project FOLDER. Nothing was written.",
        )


def _words(command: str) -> tuple[str, ...]:
    try:
        return words_of(command)
    except ValueError as error:
        raise CommandError(
            f"--command is no command: {error}",
            where=command[:200],
            fix="Write it as at a shell: --command 'docker exec -i edms python'.",
        ) from error


def _answers(
    project: Path | None, settings_module: str | None, python: Path | None, command: str | None, repository: str | None
) -> dict[str, Answer]:
    """The options, and what can be found out, as settings."""
    answers: dict[str, Answer] = {}
    if command:
        if python:
            raise CommandError("--python and --command exclude each other.", fix="Give the one that starts its Python.")
        answers["edms.command"] = _words(command)
        module = settings_module
    else:
        # If the EDMS runs on another machine or in a container, its folders are not on this one.
        project = project.absolute() if project else _find_project(Path.cwd())
        module = settings_module or (_find_module(project) if project else None)
    if project:
        answers["edms.project"] = str(project)
    if module:
        answers["edms.settings"] = module
    if python:
        answers["edms.python"] = str(python if len(python.parts) == 1 else python.absolute())
    if repository:
        answers["repository.url"] = repository if "://" in repository else str(Path(repository).absolute())
    return answers


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


def _write(config: Path, answers: Mapping[str, Answer], profile: Profile | None, *, force: bool) -> Settings:
    """Write the file, and return the settings in it."""
    text = settings_text(answers, profile.sections if profile else None)
    settings = settings_from(tomllib.loads(text), where=config)
    if config.exists() and not force:
        raise CommandError(
            "The settings file exists.", where=str(config), fix="Edit it, or pass --force to overwrite it."
        )
    try:
        write_durably(config, text)  # readable by its owner only, because it may contain passwords
    except OSError as error:
        raise CommandError(
            "The settings file cannot be written.",
            where=str(config),
            why=error.strerror or str(error),
            fix="Name another one with --config FILE.",
        ) from error
    return settings


def _ask(settings: Settings, reports: list[ProbeReport]) -> str:
    report = run_probe(settings)
    reports.append(report)
    return f"{report.settings_module}: {len(report.models)} models, Django {report.django}"


def _fits(profile: Profile, report: ProbeReport) -> str:
    if missing := profile.missing(report):
        raise SettingsError(
            f"The profile {profile.name!r} is for another EDMS: {profile.title}.",
            why=f"This one has no {', '.join(missing)}.",
            fix=f"Omit --profile, or pass --profile {NO_PROFILE}.",
        )
    return f"{profile.name}, for {profile.title}"


def _kept_ids(config: Path, *, force: bool) -> dict[str, Answer]:
    """The EDMS's id in the file that is overwritten; its snapshots have this id."""
    if not force or not config.exists():
        return {}
    try:
        kept = load_settings(config)
    except SettingsError:
        return {}  # the file is wrong, and that is why it is overwritten
    keys = {"write_key": kept.repository.write_key, "identity": kept.repository.identity}
    return {
        **({"edms.id": kept.edms.id} if kept.edms.id else {}),
        **{f"repository.{name}": str(path) for name, path in keys.items() if path is not None and path.exists()},
    }


def _key_files(config: Path) -> dict[str, Answer]:
    """The names of the keys' files, beside the settings file."""
    folder = config.absolute().parent
    return {
        "repository.write_key": str(folder / f"{config.stem}.write-key"),
        "repository.identity": str(folder / f"{config.stem}.recovery-key"),
    }


def _open_repository(
    settings: Settings, reports: list[ProbeReport], answers: dict[str, Answer], keys: dict[str, Answer] | None
) -> str:
    """Create or open the repository, and add its id and the EDMS's to the settings, so that neither is confused with another.

    `keys`: the names of files for the keys of a new repository; None to make one that is not encrypted.
    """
    if reports:
        require_separate(settings, reports[0])
    is_new = not Repository.is_at(settings.repository)
    if keys is not None and not any(name in answers for name in keys):
        # Those of a new repository, or what an earlier `init` left beside a settings file that is lost.
        answers |= {name: file for name, file in keys.items() if is_new or Path(str(file)).exists()}
    files = {name: Path(str(answers[f"repository.{name}"])) for name in KEY_FILES if f"repository.{name}" in answers}
    place = settings.repository.model_copy(update=files)
    if is_new and keys is not None:
        make_encrypted(place, socket.gethostname())
    repository = Repository.create(place)
    answers["repository.id"] = repository.identity
    if is_new:
        said = LogFacts(True, facts={"encrypted": repository.is_encrypted})
        append_entry(repository, settings, "init", "success", said)
    manifests = repository.survey().intact
    if "edms.id" in answers:
        return repository.display
    if not manifests:
        answers["edms.id"] = new_id(str(answers.get("edms.project", "")))
    elif not reports:
        return f"{repository.display}: it has snapshots; this EDMS gets an id when it can be inspected"
    elif known := same_edms(identity_of(settings, reports[0]), manifests.values()):
        answers["edms.id"] = known
        return f"{repository.display}: it has snapshots of this EDMS, and its id was taken from them"
    else:
        answers["edms.id"] = new_id(str(answers.get("edms.project", "")))
        newest = manifests[repository.snapshots()[-1]]
        return (
            f"{repository.display}: it holds snapshots of others, such as {names_of(newest)}. If that is this EDMS,"
            " put its id into [edms] id"
        )
    return repository.display


def _find_roots(settings: Settings, report: ProbeReport, answers: dict[str, Answer]) -> str:
    """Search folders of files that no storage of the EDMS has, and add them to the settings as roots."""
    found = find_roots(settings, report)
    said = [f"{name}: {count:,} files" for name, count in found.known.items()] or ["the EDMS has no file storages"]
    if found.added:
        folders = ", ".join(f"{name} ({folder})" for name, folder in found.added.items())
        if settings.files.roots:  # roots of the profile, whose text is in the file word for word
            said.append(f"{found.rows:,} rows name files elsewhere: ADD to [files] roots {folders}")
        else:
            answers["files.roots"] = found.added
            said.append(f"{found.rows:,} rows name files elsewhere, added to [files] roots: {folders}")
    return "; ".join([*said, *found.incomplete])


def _reach(reports: list[ProbeReport]) -> str:
    if not reports:
        raise TerminalError(
            "The database was not checked.", why="Only the EDMS knows where it is.", fix="Fix [edms] first."
        )
    report = reports[0]
    address = DatabaseAddress.from_probe(report.databases[0])
    facts = open_database(address).check()
    if report.database_error:
        raise DatabaseRefused("The EDMS cannot reach its database.", where=address.display, why=report.database_error)
    create = "" if facts.may_create_databases else "; this role may NOT create databases, which a restore needs"
    programs = f"; with {', '.join(facts.programs)}" if facts.programs else ""
    return f"{address.display}: {facts.engine} {facts.version}{programs}{create}"


def _check(subject: str, ask: Callable[[], str]) -> SettingsCheck:
    try:
        return SettingsCheck(subject, ask())
    except EdmsBackupError as error:
        return SettingsCheck(subject, "", error)
