"""Every finding there is: its code, the severities it may have, what it means and what to do.

Code that notices something calls `make_finding("missing-file", subject, …)` and gives the particulars; a merge calls
`make_conflict`. `docs/findings.md` is made from the same entries by `python -m tests.findings_page`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edms_tasks.findings import database, files, keys, lineage, merging, references, restoring
from edms_tasks.findings.kind import Kind
from edms_tasks.inventory.model import Finding, Severity

GROUPS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "Rows and references": references.KINDS,
        "Files": files.KINDS,
        "Natural keys": keys.KINDS,
        "The database and the EDMS's code": database.KINDS,
        "What a restore will need": restoring.KINDS,
        "Snapshots and repository": lineage.KINDS,
        "Conflicts of a merge": merging.KINDS,
    }
)
"""The kinds of findings by what they are about, in the order of the documentation."""

REGISTRY: Mapping[str, Kind] = MappingProxyType({kind.code: kind for kinds in GROUPS.values() for kind in kinds})
"""Code -> kind."""

__all__ = ["GROUPS", "REGISTRY", "Kind", "make_finding", "require_registered"]


def make_finding(
    code: str,
    subject: str,
    message: str = "",
    *,
    severity: Severity | None = None,
    count: int = 1,
    examples: tuple[str, ...] = (),
    fix: str | None = None,
) -> Finding:
    """A finding of a registered kind.

    Args:
        code: a key of `REGISTRY`.
        subject: model label, table, file path or setting it concerns.
        message: the particulars; without them, what the registry says.
        severity: needed where the kind may have several.
        count: how many rows, files or objects it concerns.
        examples: a few of them.
        fix: what to do in this case; without it, what the registry says.

    Raises:
        ValueError: the code is not registered, or the severity is not one of its kind.
    """
    kind = require_registered(code, severity)
    return Finding(
        code=code,
        severity=severity or kind.severities[0],
        subject=subject,
        message=message or kind.means,
        count=count,
        examples=examples,
        fix=kind.fix if fix is None else fix,
    )


def require_registered(code: str, severity: Severity | None) -> Kind:
    """The kind of that code; `severity` None stands for its only one.

    Raises:
        ValueError: there is no such kind, or it does not have that severity.
    """
    kind = REGISTRY.get(code)
    if kind is None:
        raise ValueError(f"The finding {code!r} is not registered in edms_tasks/findings.")
    if severity is None and len(kind.severities) > 1:
        raise ValueError(f"The finding {code!r} can have several severities: name one.")
    if severity is not None and severity not in kind.severities:
        raise ValueError(f"The finding {code!r} cannot be of severity {severity!r}.")
    return kind
