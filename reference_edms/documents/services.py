"""What people do with documents, from the first draft until a newer version replaces them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date

from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from audit.actor import acting_as
from documents.models import Document, DocumentAttachment
from security.models import ElectronicSignature
from security.services import sign
from users.models import User
from workflows.services import TransitionRefused, advance

AUTHOR = "Document Author"
REVIEWER = "Document Reviewer"
APPROVER = "Document Approver"


def submit(document: Document, by: User, reviewers: Iterable[User] = ()) -> None:
    """Hand a draft to its reviewers."""
    _require(by, AUTHOR)
    with acting_as(by), transaction.atomic():
        document.reviewers.add(*reviewers)
        advance(document, Document.Status.IN_REVIEW, by)


def review(document: Document, by: User, accepted: bool, comment: str | None = None) -> None:
    """Accept what was submitted, or send it back to its author."""
    _require(by, REVIEWER)
    _require_second_person(document, by)
    advance(document, Document.Status.REVIEWED if accepted else Document.Status.DRAFT, by, comment)


def approve(document: Document, by: User, password: str, reason: str = "") -> ElectronicSignature:
    """Approve a reviewed document with an electronic signature."""
    _require(by, APPROVER)
    _require_second_person(document, by)
    with acting_as(by), transaction.atomic():
        signature = sign(document, by, password, ElectronicSignature.Meaning.APPROVED, reason)
        document.approver = by
        document.save(update_fields=["approver", "updated_at"])
        advance(document, Document.Status.APPROVED, by)
        return signature


def make_effective(document: Document, by: User, on: date | None = None) -> None:
    """Put an approved document in force, and take out of force the version it replaces."""
    _require(by, APPROVER)
    with acting_as(by), transaction.atomic():
        document.effective_date = on or timezone.localdate()
        document.save(update_fields=["effective_date", "updated_at"])
        advance(document, Document.Status.EFFECTIVE, by)
        replaced = document.supersedes
        if replaced is not None and replaced.status == Document.Status.EFFECTIVE:
            advance(replaced, Document.Status.SUPERSEDED, by, f"superseded by {document}")


def supersede(document: Document, by: User) -> Document:
    """Draft the next major version of an effective document, content included."""
    _require(by, AUTHOR)
    if document.status != Document.Status.EFFECTIVE:
        raise TransitionRefused(f"{document} is not effective, so nothing can supersede it")
    with acting_as(by), transaction.atomic():
        draft = Document(
            number=document.number,
            version_major=document.version_major + 1,
            title=document.title,
            description=document.description,
            abstract=document.abstract,
            document_type=document.document_type,
            source=document.source,
            author=by,
            supersedes=document,
            metadata=document.metadata,
        )
        if document.file:
            with document.file.open("rb") as stream:
                store_file(draft, document.file.name.rpartition("/")[2], stream.read())
        draft.save()
        return draft


def store_file(document: Document, name: str, content: bytes) -> None:
    """Attach the controlled file itself; the caller saves the document."""
    document.file_checksum = hashlib.sha256(content).hexdigest()
    document.file_size = len(content)
    document.file.save(name, ContentFile(content), save=False)


def attach(document: Document, by: User, name: str, content: bytes) -> DocumentAttachment:
    """Add a file that accompanies the document."""
    with acting_as(by), transaction.atomic():
        attachment = DocumentAttachment(document=document, name=name, size=len(content), uploaded_by=by)
        attachment.file.save(name, ContentFile(content), save=False)
        attachment.save()
        return attachment


def _require(user: User, role: str) -> None:
    if not user.has_role(role):
        raise TransitionRefused(f"{user} does not hold the role {role!r}")


def _require_second_person(document: Document, user: User) -> None:
    if document.author_id == user.pk:
        raise TransitionRefused(f"{user} wrote {document} and cannot judge it as well")
