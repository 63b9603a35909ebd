"""An empty database that the migrations of one of our own projects have filled: made by the EDMS once a process, then copied.

For tests of what comes after it. The EDMS takes two seconds for it, a third of the time of a conversion of an old backup of a small
system. SQLite alone: another engine's database is made each time; and so is that of a project that a test wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.inventory.remote_probe import Answer
from edms_tasks.inventory.run_probe import run_on_another_engine
from edms_tasks.settings import Settings
from tests.reference_system import PROJECT

_ROOT = PROJECT.parent
_made: dict[object, tuple[Answer, bytes]] = {}


@contextmanager
def migrated_once() -> Iterator[None]:
    """Meanwhile a second empty database gets what the first got from the same commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.restoring.engine_conversion.run_on_another_engine", _run)
        yield


def _run(
    settings: Settings, commands: Sequence[Sequence[str]], address: DatabaseAddress, *, from_models: bool = False
) -> Answer:
    path = Path(address.name)
    project = settings.edms.project
    if project is None or _ROOT not in project.parents or not address.is_file or path.stat().st_size:
        return run_on_another_engine(settings, commands, address, from_models=from_models)
    key = (project, settings.edms.python, settings.edms.settings, tuple(map(tuple, commands)), from_models)
    if key not in _made:
        answer = run_on_another_engine(settings, commands, address, from_models=from_models)
        if answer.returncode:
            return answer
        _made[key] = answer, path.read_bytes()
    answer, content = _made[key]
    path.write_bytes(content)
    return answer
