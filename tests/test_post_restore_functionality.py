"""A restored system works: people log in, documents take their whole way, signatures hold, files come and go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.office_work import NEW_AND_OLD_DOCUMENTS, inside
from tests.reference_system import Engine, ReferenceEdms
from tests.restored_system import RecoveredSystems

ENGINES: tuple[Engine, ...] = ("sqlite", "postgresql")


@pytest.fixture(scope="module")
def systems(recovered_systems: RecoveredSystems) -> Callable[[Engine], ReferenceEdms]:
    """One restored system per engine, worked on by all tests here as by the people of one office."""
    made: dict[Engine, ReferenceEdms] = {}

    def get(engine: Engine) -> ReferenceEdms:
        if engine not in made:
            made[engine] = recovered_systems.copy_of_restored(engine)
        return made[engine]

    return get


@pytest.fixture(params=[pytest.param("sqlite", marks=pytest.mark.long), "postgresql"])
def edms(request: pytest.FixtureRequest, systems: Callable[[Engine], ReferenceEdms]) -> ReferenceEdms:
    """The restored system of each engine."""
    return systems(request.param)


def test_django_finds_nothing_to_migrate_and_nothing_wrong(edms: ReferenceEdms) -> None:
    edms.manage("migrate", "--check", "--verbosity", "0")
    assert "no issues" in edms.manage("check", "--database", "default").stdout


@pytest.mark.long
def test_people_log_in_and_every_page_of_the_admin_opens(edms: ReferenceEdms) -> None:
    inside(
        edms,
        """
        from django.contrib import admin
        from django.test import Client
        from django.urls import reverse
        from users.models import User

        client = Client()
        assert client.get("/admin/").status_code == 302
        answer = client.post("/admin/login/", {"username": "admin", "password": "wrong", "next": "/admin/"})
        assert answer.status_code == 200 and "_auth_user_id" not in client.session
        answer = client.post("/admin/login/", {"username": "admin", "password": "admin", "next": "/admin/"})
        assert answer.status_code == 302 and answer["Location"] == "/admin/"
        assert client.session["_auth_user_id"] == str(User.objects.get(username="admin").pk)
        opened = 0
        for model in admin.site._registry:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            assert client.get(reverse(name + "_changelist")).status_code == 200, name
            row = model._base_manager.order_by("pk").last()
            if row is not None:
                assert client.get(reverse(name + "_change", args=[row.pk])).status_code == 200, name
                opened += 1
        assert opened >= 15, opened
        """,
    )


def test_a_new_and_a_restored_document_go_through_the_whole_workflow(edms: ReferenceEdms) -> None:
    inside(edms, NEW_AND_OLD_DOCUMENTS)

    assert "intact" in edms.manage("verify_audit").stdout


def test_signatures_given_before_the_loss_still_hold(edms: ReferenceEdms) -> None:
    inside(
        edms,
        """
        from pathlib import Path
        from documents.models import Document
        from security.models import ElectronicSignature
        from security.services import SignatureRefused, sign, signature_is_valid
        from users.models import User

        found = ElectronicSignature.objects.exclude(document__file__endswith="lost.pdf")
        assert found.count() > 5, found.count()
        assert all(signature_is_valid(signature) for signature in found)

        admin = User.objects.get(username="admin")
        document = Document.objects.exclude(file="").exclude(file__endswith="lost.pdf").first()
        try:
            sign(document, admin, "wrong", "reviewed")
        except SignatureRefused:
            pass
        else:
            raise AssertionError("a wrong password signed")
        signature = sign(document, admin, "admin", "reviewed")
        assert signature_is_valid(signature)
        content = Path(document.file.path).read_bytes()
        Path(document.file.path).write_bytes(content + b"!")
        assert not signature_is_valid(signature)
        Path(document.file.path).write_bytes(content)
        """,
    )


def test_the_audit_chain_is_complete_and_continues(edms: ReferenceEdms) -> None:
    assert "intact" in edms.manage("verify_audit").stdout

    inside(
        edms,
        """
        from audit.models import AuditTrail
        from documents.models import DocumentType

        last = AuditTrail.objects.order_by("sequence").last()
        kind = DocumentType.objects.create(code="NEW", name="New kind")
        entry = AuditTrail.objects.order_by("sequence").last()
        assert entry.sequence == last.sequence + 1 and entry.previous_checksum == last.checksum
        assert entry.content_object == kind
        # "no such id" is among the awkward data of the source, where it had no row either.
        entries = AuditTrail.objects.exclude(object_id=None).exclude(object_id="no such id")
        pointing = [entry for entry in entries if entry.content_object is not None]
        assert len(pointing) > 20, "generic references must lead somewhere"
        """,
    )

    assert "intact" in edms.manage("verify_audit").stdout


def test_files_can_be_added_and_removed(edms: ReferenceEdms) -> None:
    inside(
        edms,
        """
        import hashlib
        from django.core.files.uploadedfile import SimpleUploadedFile
        from django.test import Client
        from documents.models import Document, DocumentAttachment

        client = Client()
        assert client.login(username="admin", password="admin")
        document = Document.objects.exclude(file="").exclude(file__endswith="lost.pdf").first()
        url = f"/documents/{document.number}/{document.version}/"
        answer = client.post(url + "attachments/", {"file": SimpleUploadedFile("käse & 100%.txt", b"attached")})
        assert answer.status_code == 201, answer.content
        sent = client.get(f"/attachments/{answer.json()['id']}/file/")
        assert b"".join(sent.streaming_content) == b"attached"

        downloaded = 0
        for document in Document.objects.exclude(file="").exclude(file__endswith="lost.pdf"):
            sent = client.get(f"/documents/{document.number}/{document.version}/file/")
            assert sent.status_code == 200, document
            content = b"".join(sent.streaming_content)
            assert hashlib.sha256(content).hexdigest() == document.file_checksum, document
            downloaded += 1
        assert downloaded > 5, downloaded
        for attachment in DocumentAttachment.objects.all()[:10]:
            sent = client.get(f"/attachments/{attachment.pk}/file/")
            assert len(b"".join(sent.streaming_content)) == attachment.size
        """,
    )


def test_the_database_itself_refuses_to_change_the_audit_trail(edms: ReferenceEdms) -> None:
    inside(
        edms,
        """
        from django.db import DatabaseError, connection, transaction
        from audit.models import AuditTrail

        before = list(AuditTrail.objects.order_by("pk").values_list())
        assert before
        for statement in ("UPDATE audit_audittrail SET username = 'nobody'", "DELETE FROM audit_audittrail"):
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(statement)
            except DatabaseError as error:
                assert "audit entries cannot be" in str(error), error
            else:
                raise AssertionError(f"allowed: {statement}")
        assert list(AuditTrail.objects.order_by("pk").values_list()) == before
        """,
    )


def test_the_database_still_enforces_its_constraints(edms: ReferenceEdms) -> None:
    inside(
        edms,
        """
        from django.db import IntegrityError, connection, transaction

        broken = (
            "INSERT INTO documents_documenttype (code, name, description, requires_approval) "
            "SELECT code, name, description, requires_approval FROM documents_documenttype",
            "UPDATE documents_document SET author_id = 999999999",
            "UPDATE documents_document SET title = NULL",
        )
        for statement in broken:
            try:
                with transaction.atomic():
                    with connection.cursor() as cursor:
                        cursor.execute(statement)
                    connection.check_constraints()
            except IntegrityError:
                continue
            raise AssertionError(f"allowed: {statement}")
        """,
    )


def test_new_rows_get_free_ids_in_every_table(edms: ReferenceEdms) -> None:
    inside(
        edms,
        """
        from django.apps import apps
        from django.db import connection, models

        checked = 0
        with connection.cursor() as cursor:
            for model in apps.get_models(include_auto_created=True):
                if not isinstance(model._meta.pk, (models.AutoField, models.BigAutoField)):
                    continue
                table, column = model._meta.db_table, model._meta.pk.column
                cursor.execute(f'SELECT coalesce(max("{column}"), 0) FROM "{table}"')
                (highest,) = cursor.fetchone()
                if connection.vendor == "postgresql":
                    cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, %s))", [f'"{table}"', column])
                    (following,) = cursor.fetchone()
                else:
                    cursor.execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = %s", [table])
                    (following,) = cursor.fetchone()
                assert following > highest, (table, following, highest)
                checked += 1
        assert checked >= 20, checked
        """,
    )
