"""Fill the small paperless, and export it as document_exporter does. Written from the layout of its exports; runs in the EDMS's Python.

python program.py fill
python program.py export FOLDER OPTIONS-AS-JSON
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "small_paperless_settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core import serializers  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.serializers.json import DjangoJSONEncoder  # noqa: E402
from paperless_mail.models import MailAccount  # noqa: E402

from documents.models import (  # noqa: E402
    Correspondent,
    CustomFieldInstance,
    Document,
    Note,
    ShareLinkBundle,
    Tag,
)

MEDIA = Path(settings.MEDIA_ROOT) / "documents"
LATER = 7  # rows that were deleted: ids do not begin with one, nor follow each other


def fill(hash_name: str) -> None:
    """Make rows and files."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    User.objects.create_user("AnonymousUser")
    joined = datetime(2023, 1, 2, 3, 4, 5, 6000, UTC)
    users = [User.objects.create_user(name, date_joined=joined) for name in ("anna", "consumer", "bert")]
    Group.objects.create(name="archivists").permissions.set(Permission.objects.order_by("-id")[:3])
    for number in range(LATER):
        Document.objects.create(**_fields(900 + number, hash_name, ""))
        Tag.objects.create(name=f"gone {number}")
    Document.objects.all().delete()
    Tag.objects.all().delete()
    parent = Tag.objects.create(name="steuer ✓")
    tags = [parent, Tag.objects.create(name="inbox", parent=parent)]
    sender = Correspondent.objects.create(name="Müller & Co", owner=users[0])
    made: list[Document] = []
    for number in range(12):
        name = [f"2024/Rechnung {number}.pdf", f"請求書 {number}.txt", ""][number % 3]
        one = Document.objects.create(**_fields(number, hash_name, name), correspondent=sender if number % 2 else None)
        made.append(one)
        one.tags.set(tags[: number % 3])
        _write("originals", name or f"{one.pk:07}.pdf", f"original {number}")
        _write("thumbnails", f"{one.pk:07}.webp", f"thumbnail {number}")
        if one.archive_filename:
            _write("archive", one.archive_filename, f"archive {number}")
        Note.objects.create(document=one, note=f"note {number}", user=users[2])
        CustomFieldInstance.objects.create(
            document=one, value_document_ids=[made[0].pk], value_monetary=("12.50", "EUR7.25")[number % 2]
        )
    made[3].root_document, made[4].deleted_at = made[2], datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    made[3].save()
    made[4].save()
    for slug, path in (("abc", "2026/abc.zip"), ("pending", "")):
        ShareLinkBundle.objects.create(slug=slug, file_path=path).documents.set(made[:2])
    _write("share_link_bundles", "2026/abc.zip", "zipped")
    MailAccount.objects.create(name="post", password="geheim ✓", refresh_token=None)


def _fields(number: int, hash_name: str, name: str) -> dict[str, Any]:
    archive = f"2024/{number}.pdf" if number % 4 == 1 else None

    def digest(kind: str) -> str:
        return hashlib.new(hash_name, f"{kind} {number}".encode()).hexdigest()

    return {
        "title": f"Rechnung {number}",
        "content": "text ✓ " * number,
        "mime_type": "text/plain" if name.endswith(".txt") else "application/pdf",
        "checksum": digest("original"),
        "archive_checksum": digest("archive") if archive else None,
        "created": date(2024, 1, 1) + timedelta(days=number),
        "added": datetime(2024, 5, 6, 7, 8, 9, 1000 * number, UTC),  # the exporter cuts what is below milliseconds
        "filename": name or None,
        "archive_filename": archive,
        "archive_serial_number": number if number % 5 == 0 else None,
    }


def _write(kind: str, name: str, text: str) -> None:
    path = MEDIA / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def export(folder: Path, options: dict[str, Any]) -> None:
    """The folder or zip that document_exporter writes with these options."""
    target = folder.with_suffix("") if options.get("zip") else folder
    target.mkdir()
    rows = list(_rows())
    if options.get("passphrase"):
        key, about = _encryption(options["passphrase"])
        for row in rows:
            if row["model"] == "paperless_mail.mailaccount":
                row["fields"]["password"] = key.encrypt(row["fields"]["password"].encode()).hex()
    else:
        about = {}
    documents = [row for row in rows if row["model"] == "documents.document"]
    attached = ("documents.note", "documents.customfieldinstance")
    split = bool(options.get("split_manifest"))
    main = [row for row in rows if row["model"] != "documents.document" and not (split and row["model"] in attached)]
    for row in documents:
        base = _export_files(target, row, options)
        if split:
            of_one = [
                row,
                *(one for one in rows if one["model"] in attached and one["fields"]["document"] == row["pk"]),
            ]
            name = f"{base}-manifest.json" if options["version"] < "2.20" else f"{base.with_suffix('')}-manifest.json"
            _write_json(target / ("json" if options.get("use_folder_prefix") else "") / name, of_one)
        else:
            main.append(row)
    for row in main:
        if row["model"] == "documents.sharelinkbundle" and row["fields"]["file_path"]:
            row["__exported_share_link_bundle_name__"] = f"share_link_bundles/{row['fields']['file_path']}"
            _copy(
                MEDIA / row["__exported_share_link_bundle_name__"], target, row["__exported_share_link_bundle_name__"]
            )
    _write_json(target / "manifest.json", main)
    _write_json(
        target / ("version.json" if options["version"] < "2" else "metadata.json"),
        {"version": options["version"], **about},
    )
    if options.get("zip"):
        shutil.make_archive(str(target), "zip", target)
        shutil.rmtree(target)


def _rows() -> Iterator[dict[str, Any]]:
    excluded = ("consumer", "AnonymousUser")
    for rows in (
        Correspondent.objects.all(),
        Tag.objects.all(),
        MailAccount.objects.all(),
        Group.objects.all(),
        User.objects.exclude(username__in=excluded),
        ContentType.objects.all(),
        Permission.objects.all(),
        CustomFieldInstance.objects.all(),
        Note.objects.all(),
        Document.global_objects.order_by("id"),
        ShareLinkBundle.objects.all(),
    ):
        yield from serializers.serialize("python", rows)


def _export_files(target: Path, row: dict[str, Any], options: dict[str, Any]) -> PurePosixPath:
    """Copy a document's files and name them in its row; returns the name of the original."""
    fields, number = row["fields"], row["pk"]
    kept = fields["filename"] or f"{number:07}.pdf"
    suffix = PurePosixPath(kept).suffix
    base = PurePosixPath(
        kept if options.get("use_filename_format") else f"{fields['created']} {fields['title']}{suffix}"
    )
    stem = str(base) if options["version"] < "2.20" else str(base.with_suffix(""))
    parts = [("originals", "__exported_file_name__", str(base), kept)]
    if not options.get("no_thumbnail"):
        parts.append(("thumbnails", "__exported_thumbnail_name__", f"{stem}-thumbnail.webp", f"{number:07}.webp"))
    if not options.get("no_archive") and fields["archive_filename"]:
        parts.append(("archive", "__exported_archive_name__", f"{stem}-archive.pdf", fields["archive_filename"]))
    for kind, key, name, stored in parts:
        row[key] = f"{kind}/{name}" if options.get("use_folder_prefix") else name
        if not options.get("data_only"):
            _copy(MEDIA / kind / stored, target, row[key])
    return base


def _copy(source: Path, target: Path, name: str) -> None:
    (target / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target / name)


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False), encoding="utf-8")


def _encryption(passphrase: str) -> tuple[Any, dict[str, Any]]:
    from cryptography.fernet import Fernet

    salt = b"sixteen bytes ok"
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, 1000, 32)
    said = {"__key_algo__": "pbkdf2_sha256", "__key_iters__": 1000, "__key_size__": 32, "__salt_hex__": salt.hex()}
    return Fernet(base64.urlsafe_b64encode(key)), {"__crypto__": said}


if sys.argv[1] == "fill":
    fill(sys.argv[2])
else:
    export(Path(sys.argv[2]), json.loads(sys.argv[3]))
