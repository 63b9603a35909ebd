"""Fill a Mayan EDMS through its own models and services, as its users would. Runs in Mayan's Python.

    python populate.py --documents 1000 --seed 1 --first 1

Some of everything is deleted again, so that ids have gaps. Tasks must run eagerly (MAYAN_TEST_TASKS=eager).
"""

import argparse
import random
import sys
import time
from datetime import timedelta

import django

django.setup()

from actstream.models import Action  # noqa: E402
from django.contrib.auth.models import AbstractUser  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.utils import timezone  # noqa: E402
from mayan.apps.acls.models import AccessControlList  # noqa: E402
from mayan.apps.checkouts.models import DocumentCheckout  # noqa: E402
from mayan.apps.converter.layers import layer_saved_transformations  # noqa: E402
from mayan.apps.converter.transformations import TransformationRotate90  # noqa: E402
from mayan.apps.document_comments.models import Comment  # noqa: E402
from mayan.apps.document_favorites.models import FavoriteDocument  # noqa: E402
from mayan.apps.document_indexing import tasks as index_tasks  # noqa: E402
from mayan.apps.document_indexing.models.index_template_models import IndexTemplate  # noqa: E402
from mayan.apps.document_parsing.models import DocumentFilePageContent  # noqa: E402
from mayan.apps.document_signatures.models import DetachedSignature  # noqa: E402
from mayan.apps.document_states.models.workflow_instance_models import WorkflowInstance  # noqa: E402
from mayan.apps.documents.events import event_document_edited  # noqa: E402
from mayan.apps.documents.models.document_file_models import DocumentFile  # noqa: E402
from mayan.apps.documents.models.document_models import Document  # noqa: E402
from mayan.apps.documents.permissions import permission_document_edit, permission_document_view  # noqa: E402
from mayan.apps.dynamic_search import tasks as search_tasks  # noqa: E402
from mayan.apps.events.models import ObjectEventSubscription  # noqa: E402
from mayan.apps.metadata.models.metadata_instance_models import DocumentMetadata  # noqa: E402
from mayan.apps.ocr.models import DocumentVersionPageOCRContent  # noqa: E402
from small_files import KINDS, small_file  # noqa: E402
from surroundings import Surroundings, make_surroundings  # noqa: E402


def main() -> None:
    """Make the surroundings, then the documents; after every twentieth one more that is deleted again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="the number of the first of each that surrounds documents")
    options = parser.parse_args()
    _without_indexing()
    rng = random.Random(options.seed)
    began = time.monotonic()
    around = make_surroundings(rng, options.first)
    sys.stderr.write(f"surroundings: {time.monotonic() - began:.1f} s\n")
    made = 0
    while made < options.documents:
        document = make_document(made, around, rng)
        if made % 20 == 4:
            extra = make_document(made, around, rng)
            extra.delete(to_trash=False)
        if made % 25 == 3:
            document.delete()  # into the trash, where it stays
        made += 1
        if made % 100 == 0:
            sys.stderr.write(f"{made} documents: {time.monotonic() - began:.1f} s\n")
    for index in IndexTemplate.objects.all():
        index.rebuild()
    sys.stdout.write(f"{made} documents, {DocumentFile.objects.count()} files, {Action.objects.count()} events\n")


def _without_indexing() -> None:
    """Nobody searches here, and indexes are built once at the end: doing it on every event takes most of the time."""
    for tasks in (search_tasks, index_tasks):
        for name in vars(tasks):
            if name.startswith("task_"):
                getattr(tasks, name).apply_async = lambda *_, **__: None


def make_document(number: int, around: Surroundings, rng: random.Random) -> Document:
    """One document with its file and what hangs on it."""
    user = rng.choice([around.admin, *around.users])
    kind = KINDS[number % len(KINDS)]
    # Some files came more than once, which Mayan finds and keeps a list of.
    name, content = small_file("png", 7, random.Random(7)) if number % 30 == 7 else small_file(kind, number, rng)
    document = rng.choice(around.types).documents_upload(
        file_object=ContentFile(content, name=name), user=user, label=name, description=f"Described by {user}"
    )
    if number % 7 == 0:
        name, content = small_file(kind, number, rng)
        document.files_upload(file_object=ContentFile(content, name=name), user=user, comment="second")
    for metadata_type in rng.sample(around.metadata, 3):
        DocumentMetadata.objects.get_or_create(
            document=document, metadata_type=metadata_type, defaults={"value": f"value {number}\tø"}
        )
    for tag in rng.sample(around.tags, rng.randint(0, 3)):
        tag.attach_to(document=document, user=user)
    if number % 2 == 0:
        rng.choice(around.cabinets).document_add(document=document, user=user)
    _advance_workflows(document, user, rng)
    if number % 5 == 0:
        role = rng.choice(around.roles)
        for permission in (permission_document_view, permission_document_edit):
            AccessControlList.objects.grant(permission=permission, role=role, obj=document, user=around.admin)
    if number % 3 == 0:
        comment = Comment(document=document, user=user, text=f"Seen by {user}: “fine”")
        comment._event_actor = user
        comment.save()
    if number % 20 == 0:
        _rarer(document, user, number)
    return document


def _advance_workflows(document: Document, user: AbstractUser, rng: random.Random) -> None:
    for instance in WorkflowInstance.objects.filter(document=document):
        for _ in range(rng.randint(0, 2)):
            transition = instance.get_queryset_valid_transitions().order_by("pk").first()
            instance.do_transition(
                transition=transition, comment="by hand", extra_data={"reason": "due", "by": user.username}, user=None
            )


def _rarer(document: Document, user: AbstractUser, number: int) -> None:
    FavoriteDocument.objects.create(document=document, user=user)
    ObjectEventSubscription.objects.create(
        content_object=document, user=user, stored_event_type=event_document_edited.stored_event_type
    )
    if number % 40 == 0:
        DocumentCheckout.objects.create(
            document=document, user=user, expiration_datetime=timezone.now() + timedelta(days=30), block_new_file=True
        )
    page = document.version_active.pages.first() if document.version_active else None
    if page is not None:
        layer_saved_transformations.add_transformation_to(
            obj=page, transformation_class=TransformationRotate90, arguments={}
        )
        DocumentVersionPageOCRContent.objects.update_or_create(
            document_version_page=page, defaults={"content": f"Recognised\ftext {number}"}
        )
    for file_page in document.file_latest.pages.all():
        DocumentFilePageContent.objects.update_or_create(
            document_file_page=file_page, defaults={"content": f"Parsed\x0btext {number}"}
        )
        # Pictures of pages are files in a cache, each with a row that counts its bytes.
        file_page.generate_image(user=user)
    # A child row of a multi-table model; the signature is none that any key made, and Mayan stores it so.
    DetachedSignature.objects.create(
        document_file=document.file_latest, signature_file=ContentFile(b"no signature", name="s.sig")
    )


if __name__ == "__main__":
    main()
