"""A document goes its whole way, and nobody can cut a corner."""

from __future__ import annotations

import pytest

from tests.reference_edms.conftest import Edms

PEOPLE_AND_DRAFT = """
from datetime import date
from documents import services
from documents.models import Document, DocumentSource, DocumentType
from security.services import SignatureRefused, sign, signature_is_valid
from users.models import Role, User, UserRole
from workflows.services import TransitionRefused

def person(name, role):
    user = User.objects.create_user(name, password="secret", employee_id=name)
    UserRole.objects.create(user=user, role=Role.objects.get(name=role))
    return user

def refused(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error:
        return True
    raise AssertionError(f"{call.__name__} was allowed")

author = person("ada", "Document Author")
reviewer = person("rob", "Document Reviewer")
approver = person("ann", "Quality Assurance")
draft = Document(number="SOP-77777", title="Cleaning", author=author,
    document_type=DocumentType.objects.get(code="SOP"), source=DocumentSource.objects.first())
services.store_file(draft, "cleaning.txt", b"Wash. Rinse. Dry.")
draft.save()
"""

WHOLE_WAY = """
services.submit(draft, author, [reviewer])
services.review(draft, reviewer, accepted=True, comment="fine")
signature = services.approve(draft, approver, "secret", "fit for use")
services.make_effective(draft, approver, date(2026, 1, 2))
draft.refresh_from_db()
assert draft.status == "effective" and draft.workflow.transitions.count() == 4
"""


@pytest.mark.long  # of a restored system, in test_post_restore_functionality
def test_a_document_is_drafted_reviewed_signed_effective_and_superseded(fresh_edms: Edms) -> None:
    fresh_edms.python(
        PEOPLE_AND_DRAFT
        + WHOLE_WAY
        + """
successor = services.supersede(draft, author)
services.submit(successor, author)
services.review(successor, reviewer, accepted=True)
services.approve(successor, approver, "secret")
services.make_effective(successor, approver)
draft.refresh_from_db()
assert draft.status == "superseded" and successor.status == "effective"
"""
    )

    assert "intact" in fresh_edms.run("verify_audit")
    status = "SELECT version_major, status FROM documents_document ORDER BY id"
    assert fresh_edms.rows(status) == [(1, "superseded"), (2, "effective")]
    (actors,) = fresh_edms.rows("SELECT group_concat(DISTINCT username) FROM audit_audittrail")[0]
    assert {"ada", "rob", "ann"} <= set(actors.split(","))


@pytest.mark.long
def test_corners_cannot_be_cut(fresh_edms: Edms) -> None:
    fresh_edms.python(
        PEOPLE_AND_DRAFT
        + """
refused(TransitionRefused, services.make_effective, draft, approver)
refused(TransitionRefused, services.submit, draft, User.objects.create_user("eve", employee_id="eve"))
services.submit(draft, author)
refused(TransitionRefused, services.review, draft, author, accepted=True)
services.review(draft, reviewer, accepted=True)
refused(TransitionRefused, services.approve, draft, reviewer, "secret")
refused(SignatureRefused, services.approve, draft, approver, "wrong")
draft.refresh_from_db()
assert draft.status == "reviewed" and draft.effective_date is None and not draft.signatures.exists()
"""
    )


@pytest.mark.long
def test_a_signature_holds_only_for_the_content_that_was_signed(fresh_edms: Edms) -> None:
    fresh_edms.python(
        PEOPLE_AND_DRAFT
        + """
from pathlib import Path
signature = sign(draft, author, "secret", "authored")
assert signature_is_valid(signature)
Path(draft.file.path).write_bytes(b"Wash. Rinse. Fry.")
assert not signature_is_valid(signature)
"""
    )


def test_populated_signatures_are_valid(populated_edms: Edms) -> None:
    populated_edms.python(
        "from security.models import ElectronicSignature\n"
        "from security.services import signature_is_valid\n"
        "found = ElectronicSignature.objects.exclude(document__file__endswith='lost.pdf')\n"
        "assert found.count() > 20\n"
        "assert all(signature_is_valid(signature) for signature in found)\n"
    )


@pytest.mark.long  # of a restored system, in test_post_restore_functionality
def test_the_admin_lets_in_and_files_come_and_go(populated_edms: Edms) -> None:
    populated_edms.python(
        """
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from documents.models import Document

client = Client()
page = client.get("/admin/")
assert page.status_code == 302
answer = client.post("/admin/login/", {"username": "admin", "password": "admin", "next": "/admin/"})
assert answer.status_code == 302 and answer["Location"] == "/admin/"
for model in admin.site._registry:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert client.get(reverse(name + "_changelist")).status_code == 200, name
    row = model._base_manager.order_by("pk").last()
    if row is not None:
        assert client.get(reverse(name + "_change", args=[row.pk])).status_code == 200, name

document = Document.objects.exclude(file="").first()
url = f"/documents/{document.number}/{document.version}/"
upload = SimpleUploadedFile("käse & 100%.txt", b"attached")
answer = client.post(url + "attachments/", {"file": upload})
assert answer.status_code == 201, answer.content
sent = client.get(f"/attachments/{answer.json()['id']}/file/")
assert b"".join(sent.streaming_content) == b"attached"
sent = client.get(url + "file/")
assert len(b"".join(sent.streaming_content)) == document.file_size
assert Client().get(url + "file/").status_code == 302
"""
    )
