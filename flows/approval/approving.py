"""A deployed run that would change the live system: it shows its plan, suspends, and goes on only when it was approved.

A suspended run needs no worker, and survives restarts of server and worker. When it is resumed, its flow starts anew, finds
what it had planned in the work folder, and does exactly that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from edms_tasks.approval_settings import ApprovalSettings
from edms_tasks.errors import EdmsBackupError, NotApproved
from edms_tasks.periods import period_of
from flows.approval.answers import TypedApproval, check_answer
from flows.approval.approved_target import KnownTarget
from flows.approval.proposal import CHANGES_SHOWN, Proposal
from flows.approval.waiting_run import WaitingRun, WaitingRuns, recorded
from flows.evidence.repository_log import record_failure
from flows.running.approvals import Approved
from flows.running.markdown import bullets, fact_list, page, plain
from flows.running.printable import printable
from flows.running.question import AskedField, Question
from flows.running.run import Run

Request = TypeVar("Request")


def after_approval(
    verb: str, propose: Callable[[Run, Request], Proposal | None]
) -> Callable[[Run, Request], tuple[Run, Request]]:
    """The approval of a verb's deployed runs.

    Args:
        verb: its name in the log.
        propose: says what a request would change in the live system; None: nothing, so nobody is asked.

    Returns:
        A function that returns the run and its request once the run may go on, and suspends it until then. It raises NotApproved if the
        run was refused, has expired, or if its parameters were changed after the plan was made.
    """

    def approve(run: Run, request: Request) -> tuple[Run, Request]:
        if not run.settings.approval.required or not run.runner.deployed:
            return run, request
        runs, run_id, place = WaitingRuns.of(run.settings), run.runner.run_id, KnownTarget(run)
        waiting = runs.read(run_id)
        if waiting is None or not waiting.open or _is_over(waiting, run.settings.approval):
            proposal = propose(place.asking, request)
            if proposal is None:
                return place.knowing, request
            waiting = WaitingRun(
                number=waiting.number + 1 if waiting else 1,
                asked=datetime.now(UTC),
                parameters=recorded(request),
                subject=proposal.subject,
                pinned=dict(proposal.pinned),
                target=place.lines(),
                plan=tuple(map(printable, proposal.lines(CHANGES_SHOWN))),
            )
            runs.write(run_id, waiting)
            _show(run, verb, proposal)
        try:
            place.require(waiting.target)
            waiting = _approved(run, runs, waiting, request)
        except NotApproved as refused:
            runs.write(run_id, replace(waiting, open=False))
            record_failure(run, verb, refused, request)
            raise
        except EdmsBackupError as error:  # the EDMS cannot say where it is: approvals stay, for a retry
            record_failure(run, verb, error, request)
            raise
        run = place.knowing
        as_planned = replace(cast("Any", request), **waiting.pinned)
        return replace(run, approved=Approved(waiting.subject, waiting.approvals, waiting.plan)), as_planned

    return approve


def _approved(run: Run, runs: WaitingRuns, waiting: WaitingRun, request: object) -> WaitingRun:
    """The waiting run with all approvals that the settings require; asks for those that are missing."""
    rules = run.settings.approval
    if recorded(request) != waiting.parameters:
        raise NotApproved(
            "The parameters of this run were changed after its plan was made: nothing was changed.",
            fix="Start a new run.",
        )
    while len(waiting.approvals) < rules.persons:
        answer = run.runner.ask(_question(run, waiting))
        if answer is None:
            raise NotApproved(
                "Nobody approved it in time: nothing was changed.", fix="Retry the run: it makes a new plan."
            )
        approval = check_answer(
            TypedApproval(answer["edms"], answer["approved_by"], answer.get("code", ""), answer["note"]),
            edms=_name(run),
            settings=rules,
            before=waiting.approvals,
            used=runs.used_codes,
            now=datetime.now(UTC),
        )
        waiting = waiting.approved_by(approval)
        runs.write(run.runner.run_id, waiting)
        run.say(f"Approved by {approval}")
    return waiting


def _is_over(waiting: WaitingRun, rules: ApprovalSettings) -> bool:
    return datetime.now(UTC) > waiting.expires(period_of(rules.expires))


def _name(run: Run) -> str:
    """What is typed to approve: the id of the EDMS in the settings, or the folder of its project."""
    edms = run.settings.edms
    return edms.id or (edms.project.name if edms.project else "") or "live"


def _show(run: Run, verb: str, proposal: Proposal) -> None:
    """Record the plan as an artifact, beside those of the plan itself."""
    run.markdown(
        f"{verb}-to-approve",
        page(
            "Waiting for approval: nothing was changed yet",
            f"{plain(proposal.title)}\n",
            fact_list(proposal.facts),
            ("What stands in the way now", bullets(proposal.obstacles)),
            ("What would change", bullets(proposal.changes, CHANGES_SHOWN)),
            ("Notes", bullets(proposal.notes)),
        ),
    )


def _question(run: Run, waiting: WaitingRun) -> Question:
    rules = run.settings.approval
    until = waiting.expires(period_of(rules.expires))
    before = f"Approved so far by {'; '.join(map(str, waiting.approvals))}. " if waiting.approvals else ""
    fields = [
        AskedField("edms", "EDMS", f"Type {_name(run)} to approve. Anything else refuses."),
        AskedField(
            "approved_by",
            "Your name",
            "It stands in the repository's log and in the report.",
            choices=tuple(rules.approvers),
        ),
        AskedField("note", "Note", "Why, or a ticket.", default=""),
    ]
    if rules.approvers:
        text = "The six digits that your authenticator app shows. They are valid once, and for ten minutes."
        fields.insert(2, AskedField("code", "Code", text))
    return Question(
        key=f"approval-{waiting.number}-{len(waiting.approvals) + 1}",
        explanation=f"{before}The plan is in the artifacts of this run. It concerns {waiting.subject[:16]}, and would change the live "
        f"system. The run waits until {until:%Y-%m-%d %H:%M} UTC. To refuse, cancel it.",
        fields=tuple(fields),
        seconds=max(1, int((until - datetime.now(UTC)).total_seconds())),
    )
