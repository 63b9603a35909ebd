"""Check what was typed to approve a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edms_tasks.approval_settings import ApprovalSettings
from edms_tasks.errors import NotApproved
from flows.approval.one_time_codes import use_code
from flows.running.approvals import Approval

_LONGEST = 500


@dataclass(frozen=True)
class TypedApproval:
    """What somebody typed: the EDMS's name, the own name, a one-time code ("" for none), a note."""

    edms: str
    by: str
    code: str = ""
    note: str = ""


def check_answer(
    answer: TypedApproval,
    *,
    edms: str,
    settings: ApprovalSettings,
    before: Sequence[Approval],
    used: Path,
    now: datetime,
) -> Approval:
    """The approval that an answer is.

    Args:
        answer: what was typed.
        edms: the EDMS's name, which must have been typed.
        settings: who may approve.
        before: approvals of others.
        used: the folder that remembers used codes.
        now: the time.

    Raises:
        NotApproved: it is none.
    """
    by = " ".join(answer.by.split())[:_LONGEST]
    if answer.edms.strip() != edms:
        raise _refused(f"The name of the EDMS is {edms!r}, and {answer.edms.strip()[:_LONGEST]!r} was typed.")
    if not by:
        raise _refused("Nobody gave a name.")
    if any(one.by.casefold() == by.casefold() for one in before):
        raise _refused(f"{by} has already approved it; another person must.")
    if settings.approvers:
        secret = settings.approvers.get(by)
        if secret is None:
            raise _refused(f"{by} is not among the approvers of the settings.")
        if not use_code(answer.code, secret.get_secret_value(), by, used, now.timestamp()):
            raise _refused(f"The code of {by} is wrong, older than ten minutes, or was used before.")
    return Approval(by, now, bool(settings.approvers), answer.note.strip()[:_LONGEST])


def _refused(why: str) -> NotApproved:
    return NotApproved(
        "Not approved: nothing was changed.",
        why=why,
        fix="To try again, retry the run: it makes a new plan, and asks again.",
    )
