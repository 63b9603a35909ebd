"""One kind of finding, as the registry holds it."""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.inventory.model import Severity


@dataclass(frozen=True)
class Kind:
    """What all findings of one code have in common."""

    code: str
    severities: tuple[Severity, ...]  # one, or those between which the situation decides
    means: str  # one or two sentences
    fix: str = ""  # what to do; empty where nothing needs to be done
