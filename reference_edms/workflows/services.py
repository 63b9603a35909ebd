"""Moves a document from one state to the next, and refuses what the life cycle does not allow."""

from __future__ import annotations

from django.db import transaction

from audit.actor import acting_as
from documents.models import Document
from users.models import User
from workflows.models import DocumentState, DocumentTransition, DocumentWorkflow


class TransitionRefused(Exception):
    """The life cycle, or a person's role, does not allow this step."""


ALLOWED: dict[str, tuple[str, ...]] = {
    Document.Status.DRAFT: (Document.Status.IN_REVIEW,),
    Document.Status.IN_REVIEW: (Document.Status.REVIEWED, Document.Status.DRAFT),
    Document.Status.REVIEWED: (Document.Status.APPROVED, Document.Status.DRAFT),
    Document.Status.APPROVED: (Document.Status.EFFECTIVE,),
    Document.Status.EFFECTIVE: (Document.Status.SUPERSEDED,),
    Document.Status.SUPERSEDED: (),
}


def advance(document: Document, to: str, by: User, comment: str | None = None) -> DocumentTransition:
    """Take one step of the life cycle, and keep it on record."""
    with acting_as(by), transaction.atomic():
        current = Document.objects.select_for_update().get(pk=document.pk)
        if to not in ALLOWED[current.status]:
            raise TransitionRefused(f"{current} is {current.status} and cannot become {to}")
        workflow = _workflow_of(current, by)
        step = DocumentTransition.objects.create(
            workflow=workflow,
            sequence=workflow.transitions.count() + 1,
            from_state=workflow.state,
            to_state=DocumentState.objects.get(code=to),
            actor=by,
            comment=comment,
        )
        workflow.state = step.to_state
        workflow.save()
        document.status = to
        document.save(update_fields=["status", "updated_at"])
        return step


def _workflow_of(document: Document, by: User) -> DocumentWorkflow:
    workflow, _ = DocumentWorkflow.objects.get_or_create(
        document=document, defaults={"state_id": document.status, "initiated_by": by}
    )
    return workflow
