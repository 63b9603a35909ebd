"""A kind of finding in the registry."""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.inventory.model import Severity


@dataclass(frozen=True)
class Kind:
    """What all findings with the same code have in common."""

    code: str
    severities: tuple[Severity, ...]  # the possible severities; of more than one, the situation decides
    means: str  # one or two sentences
    fix: str = ""  # what to do; empty if nothing needs to be done
