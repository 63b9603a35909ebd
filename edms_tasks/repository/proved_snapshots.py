"""Which snapshot of each EDMS was last proved by a restore: `proved/<hash of the EDMS's key>.json`.

A prune never removes it: of all snapshots it is the one that is known to come back.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from pydantic import AwareDatetime, Field, ValidationError

from edms_tasks.inventory.model import Value
from edms_tasks.json_text import indented_json
from edms_tasks.repository.backend import Backend

_LARGEST = 64 * 1024


class ProvedSnapshot(Value):
    """The newest snapshot of an EDMS that was restored and proved equal."""

    edms: str
    snapshot: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: AwareDatetime
    number: int | None = Field(default=None, ge=1)
    at: AwareDatetime
    host: str
    how: str  # "restore"


def read_proved(backend: Backend) -> tuple[dict[str, ProvedSnapshot], tuple[str, ...]]:
    """Key of an EDMS -> its newest proved snapshot; and the names of records that cannot be read."""
    found: dict[str, ProvedSnapshot] = {}
    unreadable: list[str] = []
    for name, _ in backend.names("proved"):
        try:
            proved = ProvedSnapshot.model_validate_json(backend.read(name, _LARGEST))
        except FileNotFoundError:
            continue
        except ValidationError:
            unreadable.append(name)
            continue
        if name == _name(proved.edms):
            found[proved.edms] = proved
        else:
            unreadable.append(name)
    return found, tuple(unreadable)


def write_proved(backend: Backend, proved: ProvedSnapshot) -> bool:
    """Record that a snapshot was proved, unless the record has a later one that still exists; returns whether it was written."""
    before = read_proved(backend)[0].get(proved.edms)
    is_later = before is not None and _rank(before) > _rank(proved)
    if before is not None and is_later and backend.size(f"snapshots/{before.snapshot}.json") is not None:
        return False
    backend.write(_name(proved.edms), [indented_json(proved.model_dump(mode="json"))])
    return True


def _rank(proved: ProvedSnapshot) -> tuple[int, datetime]:
    return proved.number or 0, proved.created


def _name(edms: str) -> str:
    return f"proved/{hashlib.sha256(edms.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}.json"
