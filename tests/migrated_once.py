"""An empty database that the reference EDMS's migrations have filled: made by the EDMS once a session, then copied.

For tests of what comes after it. The EDMS takes two seconds for it, half of the time of a conversion of an old backup of a small system.
SQLite alone: another engine's database is made each time.
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
    if settings.edms.project != PROJECT or not address.is_file or path.stat().st_size:
        return run_on_another_engine(settings, commands, address, from_models=from_models)
    key = (str(settings.edms.python), settings.edms.settings, tuple(map(tuple, commands)), from_models)
    if key not in _made:
        answer = run_on_another_engine(settings, commands, address, from_models=from_models)
        if answer.returncode:
            return answer
        _made[key] = answer, path.read_bytes()
    answer, content = _made[key]
    path.write_bytes(content)
    return answer
