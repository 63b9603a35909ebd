"""What a restore will lack or be refused, as findings of the backup: on the day of need it is too late to ask for a right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edms_tasks.databases.left_out import SCRIPT, kind_of
from edms_tasks.databases.protocol import Foresight, LeftOut
from edms_tasks.inventory.model import Finding

_NAMED = 5
_REASONS = 3


def findings_of(foresight: Foresight, unknown: Mapping[str, str]) -> Iterator[Finding]:
    """One for each kind of thing that would be left out, and one for what would stop the restore.

    Args:
        foresight: what the engine says.
        unknown: name of a table or index -> why the EDMS's own connection cannot make it either.
    """
    if foresight.refused is not None:
        error = foresight.refused
        yield Finding(
            code="restore-refused",
            severity="error",
            subject=error.where or "restore",
            message=f"A restore would be refused: {error.what} {error.why}".strip(),
            fix=error.fix,
        )
    if foresight.untried:
        yield Finding(
            code="restore-not-tried",
            severity="warning",
            subject="restore",
            message=f"Whether a restore by this role could make everything was not found out: {foresight.untried}",
            fix="Run `edms-backup doctor` once that has passed.",
        )
    for kind in dict.fromkeys(map(kind_of, foresight.left_out)):
        yield _left_out(kind, [one for one in foresight.left_out if kind_of(one) == kind])
    for one in foresight.needs_the_edms:
        if one.name in unknown:
            yield _unknown(one.name, unknown[one.name], is_computed=one.is_computed)


def _left_out(kind: str, these: list[LeftOut]) -> Finding:
    subjects = list(dict.fromkeys(one.subject for one in these))
    reasons = list(dict.fromkeys(one.why for one in these))
    more = f", and {len(subjects) - _NAMED:,} more" if len(subjects) > _NAMED else ""
    others = f"; and {len(reasons) - _REASONS:,} more reasons" if len(reasons) > _REASONS else ""
    return Finding(
        code="restore-leaves-out",
        severity="warning",
        subject=kind,
        message=f"A restore by this role would leave out {', '.join(subjects[:_NAMED])}{more}: {'; '.join(reasons[:_REASONS])}{others}.",
        count=len(subjects),
        examples=tuple(subjects[:_NAMED]),
        fix=f"Restore as a superuser, or have a superuser run the {SCRIPT} that the restore writes beside its report.",
    )


def _unknown(name: str, why: str, *, is_computed: bool) -> Finding:
    if is_computed:
        return Finding(
            code="unknown-to-the-edms",
            severity="error",
            subject=name,
            message=f"The EDMS's own connection does not know what its definition uses either ({why}), so a restore would be refused: "
            "its entries could not be computed.",
            fix="Let the EDMS's code register it on every connection, or drop the index or table.",
        )
    return Finding(
        code="unknown-to-the-edms",
        severity="warning",
        subject=name,
        message=f"The EDMS's own connection does not know what its definition uses either ({why}). It comes back exactly so, and "
        "only a program that knows it can write there.",
        fix="Let the EDMS's code register it on every connection.",
    )
