"""A repository with every kind of file in it, of an EDMS of two tables and a folder; and what reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.errors import EdmsBackupError
from edms_tasks.files import restore_files
from edms_tasks.pruning.mark_snapshots import give_tag, hold
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.repository.unlocking import find_locks
from edms_tasks.settings import RepositorySettings, Settings
from flows.audit_trail import read_audit_trail
from flows.keys import list_keys
from flows.listing import list_snapshots
from flows.packages import export
from flows.prune import prune
from flows.requests import ExportRequest, PruneRequest
from flows.running.run import Run
from flows.status import read_status
from tests.inventory.small_project import run_python, small_project
from tests.running import run_backup, run_restore, run_verify

MODELS = """
class Author(models.Model):
    name = models.CharField(max_length=50, unique=True)
class Paper(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    title = models.TextField()
    file = models.FileField()
"""
ROWS = """
from django.core.files.base import ContentFile
for number in range(12):
    author = Author.objects.create(name=f"author {number}")
    Paper.objects.create(author=author, title="x" * number, file=ContentFile(bytes([number]) * 300, name=f"deep/{number}.txt"))
"""


NOW = datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class SmallRepository:
    """The EDMS's settings and the repository's folder, with a copy of what was there."""

    settings: Settings
    place: Path
    kept: Path
    package: Path

    def files(self) -> dict[str, bytes]:
        """Every stored file as it was."""
        return {
            str(path.relative_to(self.kept)): path.read_bytes()
            for path in sorted(self.kept.rglob("*"))
            if path.is_file()
        }

    def put_back(self) -> None:
        """Make the repository what it was."""
        shutil.rmtree(self.place)
        shutil.copytree(self.kept, self.place)


def make_small_repository(folder: Path, *, encrypted: bool) -> SmallRepository:
    """Two backups, a restore, a hold, a tag, a prune, a package: so every kind of file is there."""
    settings = small_project(folder / "edms", MODELS, ROWS, settings="MEDIA_ROOT = BASE / 'media'")
    place = folder / "repository"
    repository = RepositorySettings(url=str(place))
    if encrypted:
        repository = RepositorySettings(
            url=str(place), write_key=folder / "write-key", identity=folder / "recovery-key"
        )
        make_encrypted(repository, "test")
    settings = settings.model_copy(update={"repository": repository, "workdir": folder / "work", "chunk_rows": 5})
    first = run_backup(settings, create_repository=True).snapshot_id
    run_python(
        folder / "edms", "Paper.objects.filter(id__lt=3).update(title='changed'); Author.objects.create(name='new')"
    )
    second = run_backup(settings).snapshot_id
    run_restore(settings, snapshot=second, into=str(folder / "restored.sqlite3"), into_files=folder / "restored")
    opened = Repository.open(settings.repository)
    third = run_backup(settings).snapshot_id
    hold(opened, settings.workdir, second, reason="case 7", by="Ann")
    give_tag(opened, settings.workdir, third, "audit", by="Ann")
    prune.fn(Run(settings), PruneRequest(keep_last=1, dry_run=False))
    package = folder / "snapshot.edms-package"
    export.fn(Run(settings), ExportRequest(snapshot=second, file=str(package)))
    assert first not in Repository.open(settings.repository).survey().intact
    for name in ("pending/0123456789abcdef.json", "locks/reading-0123456789abcdef.json"):
        (place / name).parent.mkdir(exist_ok=True)
        lease = {
            "run": "0123456789abcdef",
            "pid": 1,
            "since": NOW,
            "renewed": NOW,
            "snapshots": [second],
            "purpose": "verify",
        }
        (place / name).write_text(json.dumps(lease), encoding="utf-8")
    shutil.copytree(place, folder / "kept")
    return SmallRepository(settings, place, folder / "kept", package)


def readers(settings: Settings) -> dict[str, Callable[[], object]]:
    """Everything that reads the repository without restoring from it."""
    run = Run(settings)
    return {
        "list": lambda: json.dumps(list_snapshots(settings, everyone=True).as_json()),
        "status": lambda: read_status(settings, max_proof_age="30d").line,
        "log": lambda: json.dumps(read_audit_trail(settings).as_json()),
        "keys": lambda: json.dumps(list_keys(settings).as_json()),
        "locks": lambda: [one.described for one in find_locks(open_backend(settings.repository))],
        "prune": lambda: json.dumps(prune.fn(run, PruneRequest(keep_last=1, dry_run=True)).as_json()),
        "verify": lambda: json.dumps(run_verify(settings, structure=True).as_json()),
        "verify all": lambda: json.dumps(run_verify(settings).as_json()),
    }


def restore_every_file(settings: Settings, out: Path) -> None:
    """Restore the files of every snapshot that can be read, each root into a folder below `out`."""
    repository = Repository.open(settings.repository)
    found = list(repository.survey().intact.values())
    for number, index in enumerate(index for manifest in found for index in manifest.files):
        try:
            restore_files(index, repository, out / f"{number}")
        except EdmsBackupError:
            continue
