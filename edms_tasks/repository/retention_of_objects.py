"""How a store keeps an object from being changed or removed: object lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Retention:
    """GOVERNANCE, which some users may lift, or COMPLIANCE; and until when."""

    mode: str
    until: datetime
