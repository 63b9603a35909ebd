"""The registry of findings: for each code the possible severities, what it means and what to do.

Code that finds a problem calls `make_finding("missing-file", subject, …)` with the particulars; a merge calls
`make_conflict`. `python -m tests.findings_page` makes `docs/findings.md` from the same entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edms_tasks.findings import (
    database_findings,
    dump_findings,
    file_findings,
    fixture_findings,
    key_findings,
    lineage_findings,
    merge_conflicts,
    old_backup_findings,
    reference_findings,
    restore_findings,
    worker_findings,
)
from edms_tasks.findings.kind import Kind
from edms_tasks.inventory.model import Finding, Severity

GROUPS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "Rows and references": reference_findings.KINDS,
        "Files": file_findings.KINDS,
        "Natural keys": key_findings.KINDS,
        "The database and the EDMS's code": database_findings.KINDS,
        "What a restore will need": restore_findings.KINDS,
        "Snapshots and repository": lineage_findings.KINDS,
        "Workers on other machines": worker_findings.KINDS,
        "Old backups": old_backup_findings.KINDS,
        "Dumps of an engine": dump_findings.KINDS,
        "What Django's fixtures do not hold": fixture_findings.KINDS,
        "Conflicts of a merge": merge_conflicts.KINDS,
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
        subject: the model label, table, file path or setting that it is about.
        message: the particulars; default: the registry's text.
        severity: required if the kind has more than one.
        count: number of rows, files or objects.
        examples: a few of them.
        fix: what to do in this case; default: the registry's text.

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
    """The kind with this code; `severity` may be None if the kind has only one.

    Raises:
        ValueError: there is no such kind, or it does not have this severity.
    """
    kind = REGISTRY.get(code)
    if kind is None:
        raise ValueError(f"The finding {code!r} is not registered in edms_tasks/findings.")
    if severity is None and len(kind.severities) > 1:
        raise ValueError(f"The finding {code!r} can have several severities: name one.")
    if severity is not None and severity not in kind.severities:
        raise ValueError(f"The finding {code!r} cannot be of severity {severity!r}.")
    return kind
