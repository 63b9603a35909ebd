"""A small EDMS that keeps ids of documents in every soft form, also in names of files; ids are the caller's choice."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.databases import DatabaseAddress
from edms_tasks.settings import Settings, settings_from
from flows.backing_up.backup_result import BackupResult
from flows.restoring.restore_result import RestoreResult
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_restore

MODELS = """
from django.contrib.contenttypes.models import ContentType
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
class Rule(models.Model):
    code = models.CharField(max_length=20, unique=True)
    document_ref = models.IntegerField(null=True)
    document_list = models.CharField(max_length=200, blank=True)
    payload = models.JSONField(default=dict)
    state = models.TextField(blank=True)
    label = models.CharField(max_length=200, blank=True)
    about_type = models.ForeignKey(ContentType, models.CASCADE, null=True, db_constraint=False)
    about_pk = models.CharField(max_length=40, null=True)
"""

DECLARED = [
    {"column": "small.Rule.document_ref", "target": "small.Document"},
    {"column": "small.Rule.document_list", "target": "small.Document", "separator": ","},
    {"column": "small.Rule.payload", "target": "small.Document", "json": "$.document_ids[*]"},
    {"column": "small.Rule.payload", "target": "small.Document", "json": "$.by_document.*~"},
    {"column": "small.Rule.state", "target": "small.Document", "json": "$.parent.id"},
    {"column": "small.Rule.label", "target": "small.Document", "pattern": "document_%d"},
    {"content_type": "small.Rule.about_type", "object_id": "small.Rule.about_pk"},
    {"files": "media", "target": "small.Document", "name": "thumbnails/{pk:07}.webp"},
]


@dataclass(frozen=True)
class PaperArchive:
    """The EDMS, its settings and its database."""

    settings: Settings
    address: DatabaseAddress
    media: Path

    def backup(self) -> BackupResult:
        return run_backup(self.settings)

    def restore(self, **options: object) -> RestoreResult:
        return run_restore(self.settings, snapshot="latest", **options)  # type: ignore[arg-type]


def paper_archive(folder: Path, ids: dict[str, int], postgres: str | None = None, *, lost: int = 0) -> PaperArchive:
    """Documents with these ids; rules and files that point at all of them, and `lost` ids that no document has."""
    everywhere = [*ids.values(), *(10_000 + number for number in range(lost))]
    rules = [
        {
            "code": f"R-{number}",
            "document_ref": one,
            "document_list": f"{one}, {everywhere[number - 1]}",
            "payload": {"document_ids": [one, str(everywhere[0])], "by_document": {str(one): {"n": number}}, "n": 7},
            "state": json.dumps({"parent": {"id": one}, "step": 3}),
            "label": f"see document_{one}!",
            "about_pk": str(one),
        }
        for number, one in enumerate(everywhere)
    ]
    rows = f"""
import pathlib
from django.conf import settings
for number, pk in {ids!r}.items(): Document.objects.create(pk=pk, number=number)
kind = ContentType.objects.get_for_model(Document)
for rule in {rules!r}: Rule.objects.create(about_type=kind, **rule)
Rule.objects.create(code="empty")
Rule.objects.create(code="broken", state="{{no json")
thumbnails = pathlib.Path(settings.MEDIA_ROOT) / "thumbnails"
thumbnails.mkdir(parents=True)
for position, pk in enumerate({everywhere!r}): (thumbnails / f"{{pk:07}}.webp").write_bytes(b"picture %d" % position)
(thumbnails / "readme.txt").write_bytes(b"no picture")
"""
    more = 'MEDIA_ROOT = BASE / "media"\n'
    address = DatabaseAddress(engine="sqlite", name=str(folder / "project" / "db.sqlite3"))
    if postgres is not None:
        address = DatabaseAddress.from_url(postgres)
        more += (
            f'DATABASES["default"] = {{"ENGINE": "django.db.backends.postgresql", "NAME": {address.name!r}, '
            f'"USER": {address.user!r}, "PASSWORD": {address.password.get_secret_value()!r}, "HOST": {address.host!r}, '
            f'"PORT": {str(address.port or "")!r}}}\n'
        )
    # A storage is what makes the probe see a folder.
    models = MODELS + "    attachment = models.FileField(blank=True)\n"
    project = small_project(folder / "project", models, rows, settings=more)
    settings = settings_from(
        {
            "edms": project.edms.model_dump(),
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
            "chunk_rows": 2,
            "validate": {"django_check": False},
            "soft_references": DECLARED,
        },
        where=folder / "edms-backup.toml",
    )
    return PaperArchive(settings, address, folder / "project" / "media")
