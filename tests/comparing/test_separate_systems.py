"""Two systems that were set up separately: an id means nothing, and long work on files is shown as it advances."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edms_tasks.files.progress import Progress
from edms_tasks.settings import Settings
from flows.diff import diff
from flows.merge import merge
from flows.requests import DiffRequest, MergeRequest
from flows.running.run import Run
from flows.running.threads import ThreadRunner
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_diff

pytestmark = pytest.mark.usefixtures("edms_asked_once")

MODELS = """
class Log(models.Model):
    text = models.CharField(max_length=20)
class Line(models.Model):
    log = models.ForeignKey(Log, models.CASCADE)
    text = models.CharField(max_length=20)
class Scan(models.Model):
    name = models.CharField(max_length=20, unique=True)
    file = models.FileField()
"""
ROWS = """
from django.core.files.base import ContentFile
for n in range(1, 6): Line.objects.create(id=n, log=Log.objects.create(id=n, text=f"t{n}"), text=f"x{n}")
Scan(name="s").file.save("s.tif", ContentFile(b"12345"))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = small_project(tmp_path / "edms", MODELS, ROWS, settings='MEDIA_ROOT = BASE / "media"')
    repository = made.repository.model_copy(update={"url": str(tmp_path / "repository")})
    settings = made.model_copy(update={"repository": repository, "workdir": tmp_path / "work"})
    run_backup(settings, create_repository=True)
    with closing(sqlite3.connect(tmp_path / "edms" / "db.sqlite3")) as connection, connection:
        # The same rows under other ids; the third has other text, and its id is the same.
        connection.execute("UPDATE small_log SET text = 'other' WHERE id = 3")
        connection.execute("UPDATE small_log SET id = 60 - id WHERE id <> 3")
        connection.execute("UPDATE small_line SET log_id = 60 - log_id WHERE log_id <> 3")
    return settings


@pytest.mark.long
@pytest.mark.parametrize("anew", [False, True])
def test_rows_without_a_key_are_matched_by_id_only_within_one_database(settings: Settings, anew: bool) -> None:
    if anew:
        with closing(sqlite3.connect(settings.edms.project / "db.sqlite3")) as connection, connection:  # type: ignore[operator]
            connection.execute("UPDATE django_migrations SET applied = datetime(applied, '+1 day')")

    difference = run_diff(settings, snapshot="latest").difference

    (line,) = [one for one in difference.tables if one.model == "small.Line"]
    assert (line.changed, line.removed, line.added, line.other_ids) == ((0, 1, 1, 4) if anew else (1, 0, 0, 4))
    said = [note for note in difference.notes if "set up separately" in note]
    assert len(said) == anew
    assert all("small.Line, small.Log" in note for note in said)


@pytest.mark.long
@pytest.mark.parametrize("change", ["DROP TABLE django_migrations", "UPDATE django_migrations SET name = name || 'x'"])
def test_where_it_cannot_be_told_the_result_says_that_ids_were_taken_for_the_same_rows(
    settings: Settings, change: str
) -> None:
    with closing(sqlite3.connect(settings.edms.project / "db.sqlite3")) as connection, connection:  # type: ignore[operator]
        connection.execute(change)

    difference = run_diff(settings, snapshot="latest").difference

    (line,) = [one for one in difference.tables if one.model == "small.Line"]
    assert (line.changed, line.removed, line.added, line.other_ids) == (1, 0, 0, 4)
    (said,) = [note for note in difference.notes if "cannot be told" in note]
    assert "small.Line, small.Log" in said


class Watched(ThreadRunner):
    """Keeps what is shown of progress: title -> files and bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, tuple[int, int]] = {}

    @contextmanager
    def progress(self, title: str, total: int = 0, size: int = 0) -> Iterator[Progress]:
        seen = self.seen

        class Kept:
            def __call__(self, count: int, size: int = 0) -> None:
                files, read = seen.get(title, (0, 0))
                seen[title] = files + count, read + size

            def expect(self, count: int, size: int = 0) -> None:
                assert count

        yield Kept()


@pytest.mark.long
def test_diff_and_merge_show_how_their_files_advance(settings: Settings) -> None:
    scan = Path(str(settings.edms.project)) / "media" / "s.tif"
    scan.write_bytes(b"54321")
    comparing, planning, merging = Watched(), Watched(), Watched()

    diff.fn(Run(settings, comparing), DiffRequest(snapshot="latest"))
    merge.fn(Run(settings, planning), MergeRequest(dry_run=True))
    merged = merge.fn(Run(settings, merging), MergeRequest(confirm=True, dry_run=False))

    assert comparing.seen["files of media"] == planning.seen["files of media"] == (1, 5)
    assert merging.seen["files of media"][0] > 1  # planned and fetched, and those of the safety snapshot
    assert merged.done
    assert scan.read_bytes() == b"12345"
