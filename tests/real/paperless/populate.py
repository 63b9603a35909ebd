"""Fill a paperless-ngx through its own models and its own names of files, as its users would. Runs in paperless's Python.

    python populate.py --documents 1000 --label A --seed 1

Two systems with other labels hold other documents under the same ids. No text is recognised: what is under test is what
is stored. What a restore or a merge could trip over is in it: PDF and PNG of one stem, long titles in Chinese and
Japanese, a file that is missing, rows in the trash, versions, files named by ids, files in folders of their own.
"""

import argparse
import hashlib
import random
import sys
import time
from datetime import date, timedelta

import django

django.setup()

from auditlog.models import LogEntry  # noqa: E402
from django.contrib.admin.models import CHANGE  # noqa: E402
from django.contrib.admin.models import LogEntry as AdminEntry  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402
from documents.file_handling import create_source_path_directory, generate_unique_filename  # noqa: E402
from guardian.shortcuts import assign_perm  # noqa: E402
from ids_in_values import make_rows_with_ids  # noqa: E402
from small_files import MIME_TYPES, picture, small_file  # noqa: E402
from surroundings import Surroundings, make_surroundings  # noqa: E402

from documents.models import CustomFieldInstance, Document, Note, ShareLink, ShareLinkBundle  # noqa: E402

KINDS = ("pdf", "pdf", "png", "txt")
TWINS = (("pdf", "Doppelt 重複"), ("png", "Doppelt 重複"))


def main() -> None:
    """Make the surroundings and the documents, then what names documents by their ids."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--label", default="A")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    began = time.monotonic()
    around = make_surroundings(options.label, rng)
    documents = []
    for number in range(options.documents - len(TWINS) - 2):
        kind = KINDS[number % len(KINDS)]
        documents.append(make_document(number, around, rng, kind, f"{around.label} {number:04} {_title(number)}"))
        if number % 40 == 7:
            extra = make_document(number, around, rng, kind, f"{around.label} gone {number}")
            for path in (extra.source_path, extra.thumbnail_path, extra.archive_path):
                if path:
                    path.unlink()
            extra.hard_delete()
        if number % 200 == 199:
            sys.stderr.write(f"{number + 1} documents: {time.monotonic() - began:.1f} s\n")
    for kind, title in TWINS:
        documents.append(make_document(len(documents), around, rng, kind, title, path=around.paths[0]))
    for position in (0, 1):
        documents.append(_version(documents[position + 4], around, rng))
    _hang_on(documents, around, rng)
    make_rows_with_ids(documents, around, rng)
    _trash_and_lose(documents)
    _log_in(around)
    count = Document.global_objects.count()
    sys.stdout.write(f"{count} documents, {LogEntry.objects.count()} log entries, {time.monotonic() - began:.0f} s\n")


def _title(number: int) -> str:
    if number % 10 == 3:
        return "非常に長い題名の請求書と契約書" * 7
    return f"Rechnung größer {number}" if number % 2 else f"Invoice {number}"


def make_document(
    number: int,
    around: Surroundings,
    rng: random.Random,
    kind: str,
    title: str,
    path: object = None,
    root: object = None,
) -> Document:
    """One document with its original, its archive if it has one, and its thumbnail."""
    content = small_file(kind, f"{around.label} {number} {rng.random()}")
    archive = small_file("pdf", f"archive {around.label} {number} {rng.random()}") if number % 3 == 0 else None
    words = "rechnung 請求書 " * (20_000 if number % 100 == 50 else number % 30 + 1)
    document = Document.objects.create(
        title=title[:128],
        content=f"{words}{around.label} {number}" if number % 25 else "",
        mime_type=MIME_TYPES[kind],
        checksum=hashlib.sha256(content).hexdigest(),
        archive_checksum=hashlib.sha256(archive).hexdigest() if archive else None,
        created=date(2020, 1, 1) + timedelta(days=number % 2000),
        added=timezone.now() - timedelta(microseconds=number),
        correspondent=rng.choice([None, *around.correspondents]),
        document_type=rng.choice([None, *around.types]),
        storage_path=path or (rng.choice(around.paths) if number % 5 == 1 else None),
        owner=rng.choice([None, around.admin, *around.users]),
        original_filename=f"scan {number}.{kind}",
        page_count=number % 9 + 1 if kind != "txt" else None,
        archive_serial_number=(10_000 if around.label == "A" else 50_000) + number if number % 4 == 2 else None,
        root_document=root,
        version_index=1 if root else None,
        version_label="second scan" if root else None,
    )
    # With the storage path of both systems the file of one would lie where the other's does: titles carry the label.
    document.filename = str(generate_unique_filename(document))
    create_source_path_directory(document.source_path)
    document.source_path.write_bytes(content)
    if archive:
        document.archive_filename = str(generate_unique_filename(document, archive_filename=True))
        create_source_path_directory(document.archive_path)
        document.archive_path.write_bytes(archive)
    create_source_path_directory(document.thumbnail_path)
    document.thumbnail_path.write_bytes(picture(f"{around.label}{number}", "WEBP"))
    document.save()
    document.tags.set(rng.sample(around.tags, rng.randint(0, 3)))
    return document


def _version(root: Document, around: Surroundings, rng: random.Random) -> Document:
    return make_document(9000 + root.pk, around, rng, "pdf", root.title, root=root)


def _hang_on(documents: list[Document], around: Surroundings, rng: random.Random) -> None:
    """Notes, values of fields, permissions, links to share, entries of logs."""
    values = {
        "string": "text ✓",
        "url": "https://example.org/?a=1",
        "date": date(2026, 2, 3),
        "boolean": True,
        "integer": -7,
        "float": 0.1 + 0.2,
        "monetary": "EUR1234.50",
        "select": f"{around.label}option1",
        "longtext": "long " * 200,
    }
    stores = CustomFieldInstance.TYPE_TO_DATA_STORE_NAME_MAP
    for position, document in enumerate(documents):
        if position % 3 == 0:
            user = rng.choice([None, *around.users])
            note = Note.objects.create(document=document, note=f"{around.label} note {position}", user=user)
            if position % 9 == 0:
                note.delete()
        if position % 4 == 0:
            kind = rng.choice(sorted(values))
            field = around.fields[kind]
            CustomFieldInstance.objects.create(document=document, field=field, **{stores[kind]: values[kind]})
        if position % 5 == 0:
            user, group = rng.choice(around.users), rng.choice(around.groups)
            assign_perm("view_document", user, document)
            assign_perm("change_document", group, document)
        if position % 20 == 0:
            ShareLink.objects.create(document=document, slug=f"{around.label.lower()}-{position}", owner=around.admin)
        if position % 25 == 0:
            AdminEntry.objects.create(
                user=around.admin,
                content_type=ContentType.objects.get_for_model(Document),
                object_id=str(document.pk),
                object_repr=document.title,
                action_flag=CHANGE,
                change_message="[]",
            )
    for tag in around.tags[:4]:
        assign_perm("view_tag", around.users[1], tag)
    for one in around.correspondents[-3:]:
        assign_perm("change_correspondent", around.groups[1], one)
    bundle = ShareLinkBundle.objects.create(
        slug=f"{around.label.lower()}-bundle", owner=around.users[0], status="ready", file_path=f"{around.label}.zip"
    )
    bundle.documents.set(documents[2:6])
    bundle.absolute_file_path.parent.mkdir(parents=True, exist_ok=True)
    bundle.absolute_file_path.write_bytes(b"PK\5\6" + bytes(18))


def _trash_and_lose(documents: list[Document]) -> None:
    """Into the trash with some, and one file is gone for good: one in a folder, whose name no other system has."""
    for document in documents[11::25]:
        document.delete()
    next(one for one in documents if "/" in one.filename).source_path.unlink()


def _log_in(around: Surroundings) -> None:
    """A session, which is one of the rows that nobody wants to lose without being told."""
    client = Client()
    client.force_login(around.admin, backend="django.contrib.auth.backends.ModelBackend")


if __name__ == "__main__":
    main()
