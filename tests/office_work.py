"""What the people of an office do with the reference EDMS, as scripts that fail where the EDMS does not let them."""

from __future__ import annotations

import textwrap

from tests.reference_system import ReferenceEdms

PEOPLE = """
from datetime import date
from documents import services
from documents.models import Document, DocumentSource, DocumentType
from security.models import ElectronicSignature
from security.services import SignatureRefused, sign, signature_is_valid
from users.models import Role, User, UserRole

def person(name, role):
    user = User.objects.create_user(name, password="secret", employee_id=name)
    UserRole.objects.create(user=user, role=Role.objects.get(name=role))
    return user

author = person("ada", "Document Author")
reviewer = person("rob", "Document Reviewer")
approver = person("ann", "Quality Assurance")

def whole_way(document):
    services.submit(document, author, [reviewer])
    services.review(document, reviewer, accepted=True, comment="fine")
    signature = services.approve(document, approver, "secret", "fit for use")
    services.make_effective(document, approver, date(2026, 1, 2))
    document.refresh_from_db()
    assert document.status == "effective" and document.approver == approver
    assert signature_is_valid(signature)
"""

NEW_AND_OLD_DOCUMENTS = (
    PEOPLE
    + """
restored = Document.objects.filter(status="draft").order_by("pk").first()
assert restored is not None and not restored.signatures.filter(signer=approver).exists()
whole_way(restored)

draft = Document(number="SOP-77777", title="Cleaning", author=author,
    document_type=DocumentType.objects.get(code="SOP"), source=DocumentSource.objects.first())
services.store_file(draft, "cleaning.txt", b"Wash. Rinse. Dry.")
draft.save()
whole_way(draft)
successor = services.supersede(draft, author)
whole_way(successor)
draft.refresh_from_db()
assert draft.status == "superseded" and draft.workflow.transitions.count() == 5
assert services.attach(successor, author, "notes.txt", b"noted").file.read() == b"noted"
"""
)
"""A draft that is there, and a new document and its successor, take their whole way, from submission to being effective."""


def inside(edms: ReferenceEdms, code: str) -> None:
    """Run code in the EDMS's own process; an exception there fails the test with its traceback."""
    edms.manage("shell", "-c", textwrap.dedent(code))
