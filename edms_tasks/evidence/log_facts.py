"""What the repository's log says of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LogFacts:
    """What the log says of a run. `facts` are short: an auditor reads them, and they are not encrypted."""

    success: bool
    edms: str | None = None
    snapshot: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
