"""The backup's findings on what a restore would leave out, or be refused for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edms_tasks.databases.omissions import kind_of
from edms_tasks.databases.protocol import LeftOut, RestorePreflight
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_NAMED = 5
_REASONS = 3


def findings_of(preflight: RestorePreflight, unknown: Mapping[str, str]) -> Iterator[Finding]:
    """Findings for each kind of object that would be left out, and for what would stop the restore.

    Args:
        preflight: what the engine determined.
        unknown: name of a table or index -> why the EDMS's own connection cannot create it either.
    """
    if preflight.refused is not None:
        error = preflight.refused
        yield make_finding(
            "restore-refused",
            error.where or "restore",
            f"A restore would be refused: {error.what} {error.why}".strip(),
            fix=error.fix,
        )
    if preflight.untried:
        yield make_finding(
            "restore-not-tried",
            "restore",
            f"It could not be determined whether a restore by this role would leave anything out: {preflight.untried}",
        )
    for kind in dict.fromkeys(map(kind_of, preflight.left_out)):
        yield _left_out(kind, [one for one in preflight.left_out if kind_of(one) == kind])
    for one in preflight.needs_the_edms:
        if one.name in unknown:
            yield _unknown(one.name, unknown[one.name], is_computed=one.is_computed)


def _left_out(kind: str, these: list[LeftOut]) -> Finding:
    subjects = list(dict.fromkeys(one.subject for one in these))
    reasons = list(dict.fromkeys(one.why for one in these))
    more = f", and {len(subjects) - _NAMED:,} more" if len(subjects) > _NAMED else ""
    others = f"; and {len(reasons) - _REASONS:,} more reasons" if len(reasons) > _REASONS else ""
    return make_finding(
        "restore-leaves-out",
        kind,
        f"A restore by this role would leave out {', '.join(subjects[:_NAMED])}{more}: {'; '.join(reasons[:_REASONS])}{others}.",
        count=len(subjects),
        examples=tuple(subjects[:_NAMED]),
    )


def _unknown(name: str, why: str, *, is_computed: bool) -> Finding:
    if is_computed:
        return make_finding(
            "unknown-to-the-edms",
            name,
            f"The EDMS's own connection does not have what the definition uses either ({why}). A restore would be refused, because its "
            "entries cannot be computed.",
            severity="error",
        )
    return make_finding(
        "unknown-to-the-edms",
        name,
        f"The EDMS's own connection does not have what the definition uses either ({why}). It is restored as it is; only a program "
        "that has them can write there.",
        severity="warning",
        fix="Let the EDMS's code register it on every connection.",
    )
