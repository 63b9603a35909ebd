"""What only the EDMS's own connection can do, because its functions are needed for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LeftToTheEdms:
    """Statements that the EDMS's own connection has to run on a scratch database; the last one's answer is "ok"."""

    path: Path
    statements: tuple[str, ...]
