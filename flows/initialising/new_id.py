"""A new id of an EDMS: its project's name, because people read it in deployments and alarms and type it to approve a restore."""

from __future__ import annotations

import re
import secrets
from pathlib import PurePath

_LONGEST = 40


def new_id(project: str | None) -> str:
    """An id that no other EDMS has; `project` is the folder of manage.py."""
    folder = PurePath(project).name if project else ""
    name = re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-")[:_LONGEST].strip("-")
    return f"{name or 'edms'}-{secrets.token_hex(3)}"
