"""Inspect the EDMS by running `probe.py` in its own interpreter, or run its management commands on another database.

The interpreter is on this machine (`[edms] python`), or where a command starts it (`[edms] command`).
"""

from __future__ import annotations

import json
import logging
import os
import select
import shlex
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.databases.engines import DJANGO_BACKENDS
from edms_tasks.errors import EdmsNotImportable, TableLocked
from edms_tasks.inventory.address_mapping import name_for_the_edms, with_mapped_addresses
from edms_tasks.inventory.copied_environment import for_the_copy
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.inventory.remote_probe import Answer, run_remotely
from edms_tasks.programs.run_program import run_program
from edms_tasks.programs.secret_values import without_secrets
from edms_tasks.settings import Settings

_PROBE = Path(__file__).with_name("probe.py")
_SECONDS_TO_ANSWER = 300
PATIENCE = 120
"""The seconds to wait for tables that other sessions have locked."""
_MOST_OUTPUT = 4 << 20
_log = logging.getLogger(__name__)


def run_probe(settings: Settings, *, lookups: bool = False) -> ProbeReport:
    """The probe's report on the EDMS; with `lookups`, its `get_by_natural_key` methods are tried on real rows.

    Raises:
        EdmsNotImportable: the project or interpreter does not exist, the settings cannot be imported, or the EDMS does not answer.
        SettingsError: the EDMS runs on another machine or in a container, and the settings do not map its paths.
        TableLocked: another session has locked a table for longer than `PATIENCE`.
    """
    answer = _answer_when_free(settings, ["--lookups"] if lookups else [])
    if answer.returncode != 0 or not answer.report:
        raise _not_importable(settings, answer)
    try:
        report = ProbeReport.model_validate_json(answer.report)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise EdmsNotImportable(
            "The report of the EDMS's interpreter is not valid.",
            where=_where(settings),
            why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            fix="Please report this: edms-backup has a bug with this version of Django.",
        ) from error
    return with_mapped_addresses(report, settings)


def run_probe_on(settings: Settings, address: DatabaseAddress) -> ProbeReport:
    """The probe's report on the EDMS's code with another database in place of the EDMS's own. Its addresses and paths are the EDMS's.

    Raises:
        EdmsNotImportable: the EDMS's settings cannot be imported with this database.
    """
    answer = _run(settings, "report", ["--another-engine"], _another_database(address))
    if answer.returncode != 0 or not answer.report:
        raise _not_importable(settings, answer)
    report = ProbeReport.model_validate_json(answer.report)
    database = report.databases[0].model_copy(update={"name": address.name})
    return with_mapped_addresses(report.model_copy(update={"databases": (database, *report.databases[1:])}), settings)


def _another_database(address: DatabaseAddress) -> dict[str, str]:
    """The variable that replaces the EDMS's database setting; the password never stands among arguments."""
    database = {
        "ENGINE": DJANGO_BACKENDS[address.engine],
        "NAME": address.name,
        "USER": address.user,
        "PASSWORD": address.password.get_secret_value(),
        "HOST": address.host,
        "PORT": address.port,
        "OPTIONS": dict(address.options),
    }
    return {"EDMS_BACKUP_ANOTHER_DATABASE": json.dumps(database)}


def _answer_when_free(settings: Settings, arguments: Sequence[str]) -> Answer:
    """The probe's answer. While another session has locked a table, it asks again and logs a warning."""
    deadline = time.monotonic() + PATIENCE
    while (who := _held(answer := _run(settings, "report", arguments))) is not None:
        if time.monotonic() > deadline:
            raise TableLocked(
                "Another session has locked a table, and did not release it in time.",
                where=_where(settings),
                why=who or "It is free again now.",
                fix="Wait for that session to end, or end it (SELECT pg_terminate_backend(its number);), and run it again.",
            )
        _log.warning("Waiting for tables that other sessions have locked: %s", who or "free again")
    return answer


def _held(answer: Answer) -> str | None:
    """The sessions that have locked a table, for people ("" if it is free by now); None if the report is complete."""
    if not answer.report.startswith('{"held": '):
        return None
    return "; ".join(map(str, json.loads(answer.report)["held"]))


def run_in_edms(settings: Settings, arguments: Sequence[str], *, database_name: str) -> Answer:
    """Run a management command in the EDMS with its database's NAME replaced, for that process only."""
    return _run(settings, "run", [f"--database={name_for_the_edms(database_name, settings)}", "--", *arguments])


@dataclass(frozen=True)
class EdmsCopy:
    """A copy of the EDMS's database and folders, as the EDMS's interpreter sees them."""

    database: str  # its name; SQLite: its path
    folders: tuple[tuple[str, str], ...]  # (live folder, folder of the copy)
    live: tuple[str, ...] = ()  # the names of the live database


def run_on_copy(settings: Settings, words: Sequence[str], copy: EdmsCopy, *, seconds: float) -> Answer:
    """Run a management command or a Python script in the EDMS with its database and folders replaced by a copy's.

    Its caches, e-mail and Celery's queue are replaced by ones in its memory; its other databases can only be read. All this is so
    for that process only; variables that name the live database or a live folder name the copy's, for it and for those that it starts.
    `EDMS_BACKUP_DRILL=1` tells the EDMS's own settings.

    Args:
        settings: the settings.
        words: a management command with its arguments; or `SCRIPT.py …`, `-c PROGRAM`. `python` and `manage.py` before it are ignored.
        copy: the copy.
        seconds: how long it may take.
    """
    asked = {"database": copy.database, "folders": [list(pair) for pair in copy.folders], "words": list(words)}
    around = dict(os.environ) | {name: secret.get_secret_value() for name, secret in settings.edms.env.items()}
    named = for_the_copy(around, copy.live, copy.database, copy.folders)
    variables = {**named, "EDMS_BACKUP_COPY": json.dumps(asked), "EDMS_BACKUP_DRILL": "1"}
    return _run(settings, "run", ["--copy"], variables, seconds=seconds)


def run_on_another_engine(
    settings: Settings, commands: Sequence[Sequence[str]], address: DatabaseAddress, *, from_models: bool = False
) -> Answer:
    """Run management commands in the EDMS with its whole database setting replaced (engine, login, name), for that process only.

    With `from_models`, Django knows no migrations: `migrate --run-syncdb` makes every table from its model.
    """
    words = [word for command in commands for word in ("--", *command)]
    options = ["--another-engine", *(["--from-models"] if from_models else [])]
    return _run(settings, "run", [*options, *words], _another_database(address))


def _run(
    settings: Settings,
    mode: str,
    arguments: Sequence[str],
    variables: Mapping[str, str] = MappingProxyType({}),
    *,
    seconds: float | None = None,
) -> Answer:
    edms = settings.edms
    words = [
        mode,
        *(["--project", str(edms.project)] if edms.project else []),
        *(["--settings", edms.settings] if edms.settings else []),
        "--alias",
        edms.database,
        *arguments,
    ]
    # Our PYTHONPATH would put our packages on the EDMS's path.
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    its = {name: secret.get_secret_value() for name, secret in edms.env.items()} | {"PYTHONIOENCODING": "utf-8"}
    its |= variables
    if mode != "run":
        seconds = _SECONDS_TO_ANSWER
    try:
        if edms.command:
            answer = run_remotely(
                edms.command,
                _PROBE.read_text(encoding="utf-8"),
                words,
                project=str(edms.project) if edms.project else None,
                environment=its,
                own_environment=own,
                seconds=seconds,
            )
        else:
            answer = _run_here(settings, words, environment=own | its, seconds=seconds)
    except OSError as error:
        raise EdmsNotImportable(
            "The EDMS's interpreter cannot be run.",
            where=_interpreter(settings),
            why=error.strerror or str(error),
            fix="Set [edms] python to the interpreter the EDMS runs with, for example /srv/edms/venv/bin/python;"
            " or [edms] command to the command that starts it in its container or on its machine.",
        ) from error
    if answer.problem and not (mode == "run" and answer.problem == "no-answer"):
        raise _no_answer(settings, answer)
    return answer


def _run_here(
    settings: Settings, words: Sequence[str], *, environment: Mapping[str, str], seconds: float | None
) -> Answer:
    project = settings.edms.project
    if project is not None and not project.is_dir():
        return Answer(problem="no-project")
    mode, *rest = words
    with _Report() as report:
        done = run_program(
            [_interpreter(settings), str(_PROBE), mode, "--output", str(report.descriptor), *rest],
            environment=environment,
            folder=project,
            seconds=seconds,
            pass_fds=(report.descriptor,),
            most=_MOST_OUTPUT,
        )
        text = report.text()
    problem = "no-answer" if done.timed_out else ""
    return Answer(done.returncode, done.stdout, done.stderr, text, problem)


class _Report:
    """A pipe for the probe's report. It contains the database's password, so it is never written to a file."""

    def __init__(self) -> None:
        self._reading, self.descriptor = os.pipe()
        self._waiting, self._ended = os.pipe()
        self._parts: list[bytes] = []
        # A pipe's buffer is small: without a reader the probe would wait for ever.
        self._reader = threading.Thread(target=self._read, name="probe's report", daemon=True)

    def __enter__(self) -> _Report:
        self._reader.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.text()
        for descriptor in (self._reading, self.descriptor, self._waiting, self._ended):
            os.close(descriptor)

    def text(self) -> str:
        """What the probe wrote; call it when the probe has ended. It does not wait for child processes that keep the pipe open."""
        os.write(self._ended, b".")
        self._reader.join()
        return b"".join(self._parts).decode("utf-8", "replace")

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._reading, self._waiting], [], [])
            if self._reading not in ready:
                return  # the probe has ended, and everything is read
            self._parts.append(os.read(self._reading, 1 << 16))


def _no_answer(settings: Settings, answer: Answer) -> EdmsNotImportable:
    why = without_secrets(answer.why, settings.edms)
    if answer.problem == "no-project":
        seen_by_it = ", as the EDMS sees its folders" if settings.edms.command else ""
        return EdmsNotImportable(
            "The EDMS's project folder does not exist.",
            where=str(settings.edms.project),
            fix=f"Set [edms] project to the folder of manage.py{seen_by_it}.",
        )
    if answer.problem == "no-answer":
        return EdmsNotImportable(
            "The EDMS does not answer.",
            where=_where(settings),
            why=f"No answer in {_SECONDS_TO_ANSWER} seconds.",
            fix="Import its settings by hand with that interpreter, and see what they wait for.",
        )
    if answer.problem == "cut-off":
        return EdmsNotImportable(
            "The EDMS's answer is incomplete.",
            where=_interpreter(settings),
            why=why,
            fix="Run it again. [edms] command must pass on standard output unchanged: no terminal, no filter.",
        )
    return EdmsNotImportable(
        "The command that runs the EDMS's Python failed.",
        where=_interpreter(settings),
        why=_last_lines(why),
        fix="Try it by hand with --version at the end. It must start a Python there and pass standard input to it:"
        " `docker compose exec -T`, `kubectl exec -i`.",
    )


def _not_importable(settings: Settings, answer: Answer) -> EdmsNotImportable:
    output = without_secrets((answer.stderr or answer.stdout).strip(), settings.edms)
    why = _last_lines(output) or f"exit code {answer.returncode}"
    if "No module named 'django'" in output:
        return EdmsNotImportable(
            "The interpreter has no Django.",
            where=_interpreter(settings),
            why=why.splitlines()[-1],
            fix="Set [edms] python to the EDMS's own interpreter (its virtual environment's python).",
        )
    return EdmsNotImportable(
        "The EDMS's settings cannot be imported.",
        where=_where(settings),
        why=why,
        fix="Set [edms] project, settings, python and env so that `python manage.py check` would work.",
    )


def _last_lines(output: str) -> str:
    return "\n         ".join([line for line in output.splitlines() if line.strip()][-4:])


def _interpreter(settings: Settings) -> str:
    """The command line that starts the EDMS's Python."""
    return shlex.join(settings.edms.command) or str(settings.edms.python or sys.executable)


def _where(settings: Settings) -> str:
    return f"{settings.edms.settings or 'DJANGO_SETTINGS_MODULE'} in {settings.edms.project or 'the current folder'}"
