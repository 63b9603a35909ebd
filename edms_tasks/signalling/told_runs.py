"""The runs that have told people themselves how they ended, so that an alarm of the server about one does not tell them twice."""

from __future__ import annotations

import json
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.json_text import parsed_json

_NAME = "told-runs.json"
_MOST = 200


def take_told(workdir: Path, run: str) -> bool:
    """Whether people were told of that run; it is then forgotten, because the run may be retried and fail again.

    What cannot be read was not told: twice is better than never. Raises OSError if it cannot be forgotten.
    """
    told = _told(workdir)
    if run not in told:
        return False
    _write(workdir, [one for one in told if one != run])
    return True


def was_told(workdir: Path, run: str) -> bool:
    """Whether people were told of that run."""
    return run in _told(workdir)


def note_told(workdir: Path, run: str) -> None:
    """Note that people were told of a run. Raises OSError."""
    told = [*(one for one in _told(workdir) if one != run), run]
    private_folder(workdir)
    _write(workdir, told[-_MOST:])


def _write(workdir: Path, told: list[str]) -> None:
    write_durably(workdir / _NAME, json.dumps(told))


def _told(workdir: Path) -> list[str]:
    try:
        found = parsed_json((workdir / _NAME).read_bytes())
    except (OSError, ValueError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []
