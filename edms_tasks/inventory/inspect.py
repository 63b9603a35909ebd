"""Ask the EDMS what it is, by running `probe.py` in its own interpreter; or let it run a command on another database."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from edms_tasks.errors import EdmsNotImportable
from edms_tasks.inventory.model import ProbeReport
from edms_tasks.settings import Settings

_PROBE = Path(__file__).with_name("probe.py")
_SECONDS_TO_ANSWER = 300
_SHORTEST_SECRET = 4


def run_probe(settings: Settings) -> ProbeReport:
    """The EDMS's own report on itself.

    Raises:
        EdmsNotImportable: no such project or interpreter, settings that do not import, or an EDMS that does not answer.
    """
    _check_places(settings)
    # The report holds the database's password: a folder only we can enter, gone as soon as it is read.
    with tempfile.TemporaryDirectory(prefix="edms-backup-probe-") as folder:
        output = Path(folder) / "report.json"
        done = _run(settings, "report", ["--output", str(output)])
        if done.returncode != 0 or not output.exists():
            raise _not_importable(settings, done)
        text = output.read_text(encoding="utf-8")
    try:
        return ProbeReport.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise EdmsNotImportable(
            "The EDMS's report on itself cannot be understood.",
            where=_where(settings),
            why=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            cure="Report this: it is a defect of edms-backup with this version of Django.",
        ) from error


def run_in_edms(
    settings: Settings, arguments: Sequence[str], *, database_name: str
) -> subprocess.CompletedProcess[str]:
    """Run a management command in the EDMS with its database's NAME replaced, for that process only."""
    _check_places(settings)
    return _run(settings, "run", ["--database", database_name, "--", *arguments])


def _run(settings: Settings, mode: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    edms = settings.edms
    command = [
        str(edms.python or sys.executable),
        str(_PROBE),
        mode,
        *(["--project", str(edms.project)] if edms.project else []),
        *(["--settings", edms.settings] if edms.settings else []),
        "--alias",
        edms.database,
        *arguments,
    ]
    # PYTHONPATH of whoever runs the backup would put our packages into the EDMS's world.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment |= {name: secret.get_secret_value() for name, secret in edms.env.items()}
    environment["PYTHONIOENCODING"] = "utf-8"
    try:
        return subprocess.run(
            command,
            env=environment,
            cwd=edms.project,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=None if mode == "run" else _SECONDS_TO_ANSWER,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise EdmsNotImportable(
            "The EDMS's interpreter cannot be run.",
            where=str(edms.python),
            why=error.strerror or str(error),
            cure="Set [edms] python to the interpreter the EDMS runs with, for example /srv/edms/venv/bin/python.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EdmsNotImportable(
            "The EDMS does not answer.",
            where=_where(settings),
            why=f"No answer in {_SECONDS_TO_ANSWER} seconds.",
            cure="Import its settings by hand with that interpreter and see what they wait for.",
        ) from error


def _check_places(settings: Settings) -> None:
    project = settings.edms.project
    if project is not None and not project.is_dir():
        raise EdmsNotImportable(
            "The EDMS's project folder is not there.",
            where=str(project),
            cure="Set [edms] project to the folder that holds manage.py.",
        )


def _not_importable(settings: Settings, done: subprocess.CompletedProcess[str]) -> EdmsNotImportable:
    said = _without_secrets(settings, (done.stderr or done.stdout).strip())
    lines = [line for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {done.returncode}"
    if "No module named 'django'" in said:
        return EdmsNotImportable(
            "The interpreter has no Django.",
            where=str(settings.edms.python or sys.executable),
            why=last,
            cure="Set [edms] python to the EDMS's own interpreter (its virtual environment's python).",
        )
    return EdmsNotImportable(
        "The EDMS's settings cannot be imported.",
        where=_where(settings),
        why="\n         ".join(lines[-4:]) if lines else last,
        cure="Set [edms] project, settings, python and env so that `python manage.py check` would work.",
    )


def _without_secrets(settings: Settings, text: str) -> str:
    for secret in settings.edms.env.values():
        value = secret.get_secret_value()
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text


def _where(settings: Settings) -> str:
    return f"{settings.edms.settings or 'DJANGO_SETTINGS_MODULE'} in {settings.edms.project or 'the current folder'}"
