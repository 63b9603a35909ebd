"""Write the dashboard as a folder of files that a browser opens without a server and without a network."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from edms_tasks.durable import keep_private, private_folder, write_durably
from edms_tasks.errors import CommandError, EdmsBackupError
from flows.dashboard.figures import Collected

_STATIC = ("index.html", "dashboard.css", "dashboard.js", "echarts.common.min.js", "echarts-LICENSE.txt")
_MARKER = ".edms-backup-dashboard"


def write_site(collected: Collected, folder: Path, *, with_reports: bool = True) -> tuple[str, ...]:
    """Write the site into a new, empty or earlier folder of a dashboard; only its owner can read it.

    Args:
        collected: what it shows.
        folder: the folder.
        with_reports: whether the pages of the runs' reports are put beside it.

    Returns:
        What could not be read for it, as sentences.

    Raises:
        CommandError: the folder holds something else, or cannot be written.
    """
    try:
        _require_ours(folder)
        private_folder(folder)
        (folder / _MARKER).touch(mode=0o600)
        problems = [f"{one.name}: {one.problem}" for one in collected.dashboard.systems if one.problem]
        problems += _write_reports(collected, folder / "reports") if with_reports else ()
        for name in _STATIC:
            write_durably(folder / name, resources.files("flows.dashboard").joinpath("static", name).read_bytes())
        data = {**collected.dashboard.as_json(), "reports": with_reports}
        write_durably(folder / "data.js", f"window.EDMS_BACKUP = {_script(data)};\n".encode())
        keep_private(folder)
    except OSError as error:
        raise CommandError(
            "The dashboard cannot be written.",
            where=str(error.filename or folder),
            why=error.strerror or str(error),
            fix="Name another folder with --out.",
        ) from error
    return tuple(problems)


def _require_ours(folder: Path) -> None:
    if folder.exists() and not (folder / _MARKER).exists() and any(folder.iterdir()):
        raise CommandError(
            "The folder holds something else.", where=str(folder), fix="Name a new or empty folder with --out."
        )


def _write_reports(collected: Collected, folder: Path) -> Iterator[str]:
    """Put the pages of reports into the folder, those that are not there yet."""
    private_folder(folder)
    unread: Counter[str] = Counter()
    for sha256, (repository, refs) in collected.reports.items():
        path = folder / f"{sha256}.html"
        if path.exists():
            continue
        try:
            write_durably(path, repository.reports.read(refs.page))
        except EdmsBackupError as error:
            unread[f"{error.what} {error.why}".rstrip()] += 1
    for why, number in unread.items():
        yield f"{number:,} reports cannot be read: {why}"


def _script(data: dict[str, Any]) -> str:
    """JSON that is also a script: nothing in it ends a script element."""
    text = json.dumps(data, default=_as_json, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")
