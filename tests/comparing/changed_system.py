"""A system of which a snapshot was made, and that was then changed in known ways: rows, references, ids and files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.comparing.comparison_result import Difference
from flows.diff import DiffResult
from tests.comparing.django_rows import Counts, compared, rows_by_django
from tests.independent_comparison import picture_of_files
from tests.reference_system import ReferenceEdms
from tests.running import Protected, protect, run_diff

_EDIT = """
from django.db import transaction
from django.db.models import ProtectedError
from documents.models import Document, DocumentComment, DocumentDependency
from users.models import User

first, second, third = Document.objects.order_by("number", "version_major", "version_minor")[:3]
Document.objects.filter(pk__in=[first.pk, second.pk]).update(title="Another title")
other = User.objects.exclude(pk=third.author_id).order_by("username").first()
Document.objects.filter(pk=third.pk).update(author=other)
print("REPOINTED", third.number, third.author.username, other.username)

DocumentComment.objects.bulk_create([DocumentComment(document=first, author=other, text="A new comment")])

def remove(row):
    try:
        with transaction.atomic():
            row.delete()
    except ProtectedError as error:
        for protected in list(error.protected_objects):
            remove(protected)
        row.delete()

document = Document.objects.exclude(pk__in=[first.pk, second.pk, third.pk]).filter(revisions__isnull=False).first()
print("DELETED", document.number)
remove(document)

link = DocumentDependency.objects.order_by("pk").first()
DocumentDependency.objects.filter(pk=link.pk).delete()
link.pk += 1000
DocumentDependency.objects.bulk_create([link])
"""


@dataclass(frozen=True)
class Changed:
    """A system of which a snapshot was made before it was changed, and what Django and the disk say became of it."""

    edms: ReferenceEdms
    protected: Protected
    snapshot: str
    said: str
    counts: dict[str, Counts]
    files: tuple[dict[str, Any], dict[str, Any]]

    def diff(self, first: str, second: str | None = None, **options: Any) -> DiffResult:
        return run_diff(self.protected.settings, snapshot=first, other=second, **options)


def changed(edms: ReferenceEdms, folder: Path, extra: str = "") -> Changed:
    protected = protect(edms, folder, extra=extra)
    was, files = rows_by_django(edms), picture_of_files(edms.media)
    snapshot = protected.backup().snapshot_id
    said = edms.manage("shell", "-c", _EDIT).stdout
    change_files(edms.media)
    return Changed(
        edms, protected, snapshot, said, compared(was, rows_by_django(edms)), (files, picture_of_files(edms.media))
    )


def change_files(media: Path) -> None:
    """One renamed, one removed, one added with its folder, one longer, one of the same length and time with another content."""
    renamed, removed, longer, alike, *_ = sorted(
        path for path in media.rglob("*") if path.is_file() and path.stat().st_size
    )
    renamed.rename(renamed.with_name("renamed.bin"))
    removed.unlink()
    (media / "new folder").mkdir()
    (media / "new folder" / "added.txt").write_text("added")
    longer.write_bytes(longer.read_bytes() + b"!")
    status, content = alike.stat(), alike.read_bytes()
    alike.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(alike, ns=(status.st_atime_ns, status.st_mtime_ns))


def counts_of(difference: Difference) -> dict[str, Counts]:
    """What a difference says became of the rows of each model that differs."""
    return {
        table.model: Counts(table.added, table.removed, table.changed, table.columns)
        for table in difference.tables
        if table.differences
    }
