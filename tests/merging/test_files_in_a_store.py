"""An EDMS with its files in an S3 store gets rows and objects of a snapshot back, beside those of its own. On a real S3 server."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import MergeRefused, RepositoryForbidden, StoreNotWritten, TerminalError
from edms_tasks.merging.merged_store import MergedStore
from edms_tasks.repository.backends.s3_files import S3Files
from edms_tasks.settings import Settings
from flows.tasks.merge_tasks import commit
from tests.files.test_files_in_a_store import Bucket, bucket
from tests.files.test_restore_in_a_store import objects
from tests.files.test_stores import STORE, project
from tests.inventory.small_project import run_python
from tests.promotion.test_swap_in_a_store import Killed, killed_at
from tests.running import run_backup, run_merge
from tests.stores.faulty_proxy import FaultyProxy
from tests.stores.s3_places import secret_options
from tests.stores.swift_server import S3Account

__all__ = ["bucket"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(max_length=60)
"""
FILES = {"a.pdf": b"a", "deep/b.pdf": b"bb", "c.bin": bytes(range(256)) * 400}


class Archive:
    """An EDMS with its files in a bucket: a paper for each of `FILES`, and a snapshot of it."""

    def __init__(self, bucket: Bucket, account: S3Account, folder: Path) -> None:
        self.bucket, self._account = bucket, account
        for key, data in FILES.items():
            bucket.put(key, data)
        store = STORE.replace("plant-media", bucket.name).replace("edms/", "media/")
        settings = project(folder, MODELS, "default", store=store)
        self.folder = folder / "edms"
        run_python(self.folder, f"[Paper.objects.create(number=name[-5], file=name) for name in {list(FILES)}]")
        self.settings = self.at(settings, account.options["endpoint_url"])
        self.snapshot = run_backup(self.settings, create_repository=True).snapshot_id

    def at(self, settings: Settings, endpoint: str) -> Settings:
        options = secret_options({**self._account.options, "endpoint_url": endpoint})
        stores = {"media": f"s3://{self.bucket.name}/media"}
        files = settings.files.model_copy(update={"stores": stores, "options": {"media": options}})
        return settings.model_copy(update={"files": files})

    def sql(self, *statements: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "db.sqlite3")) as database, database:
            return [database.execute(one).fetchall() for one in statements][-1]

    def papers(self) -> dict[str, tuple[str, bytes | None]]:
        """Number -> the name that the row has, and what the store has there."""
        there = objects(self.bucket)
        return {number: (file, there.get(file)) for number, file in self.sql("SELECT number, file FROM small_paper")}

    def lose(self, *keys: str) -> None:
        for key in keys:
            self.bucket.client.delete_object(Bucket=self.bucket.name, Key=f"media/{key}")
            self.sql(f"DELETE FROM small_paper WHERE file = '{key}'")

    def add(self, number: str, key: str, data: bytes) -> None:
        self.bucket.put(key, data)
        self.sql(f"INSERT INTO small_paper (number, file) VALUES ('{number}', '{key}')")

    def merge(self, settings: Settings | None = None, **options: Any) -> Any:
        return run_merge(settings or self.settings, snapshot=self.snapshot, **options)


@pytest.fixture
def archive(bucket: Bucket, s3_account: S3Account, tmp_path: Path) -> Archive:
    return Archive(bucket, s3_account, tmp_path)


def is_clean(archive: Archive) -> bool:
    """Whether nothing that was staged is left, and nothing beside the prefix was touched."""
    return objects(archive.bucket, "media.") == {} and objects(archive.bucket, "elsewhere") == {".txt": b"not ours"}


def test_lost_rows_and_objects_come_back_beside_new_ones_and_a_second_merge_writes_nothing(archive: Archive) -> None:
    archive.lose("a.pdf", "deep/b.pdf")
    archive.add("new", "new.pdf", b"made after the backup")

    planned = archive.merge(dry_run=True, confirm=False)
    assert [(root.add, root.replace, root.same) for root in planned.plan.files] == [(2, 0, 1)]
    assert "a.pdf" not in objects(archive.bucket), "a plan writes nothing"
    merged = archive.merge()

    assert merged.success and merged.done
    expected = {name[-5]: (name, data) for name, data in FILES.items()}
    assert archive.papers() == {**expected, "new": ("new.pdf", b"made after the backup")}
    assert is_clean(archive)
    again = archive.merge()
    assert (again.success, again.plan.writes) == (True, 0)


@pytest.mark.long
def test_an_object_of_another_row_keeps_its_content_and_the_snapshots_gets_another_name(archive: Archive) -> None:
    archive.lose("a.pdf")
    archive.add("other", "a.pdf", b"another document")
    refused = archive.merge()
    assert [conflict.code for conflict in refused.plan.conflicts] == ["file"]

    assert archive.merge(rename_files=True).success

    papers = archive.papers()
    assert papers["other"] == ("a.pdf", b"another document")
    assert papers["a"][0] != "a.pdf" and papers["a"][1] == FILES["a.pdf"]


@pytest.mark.long  # so is it after each kill below
def test_a_replaced_object_is_kept_in_the_workdir(archive: Archive) -> None:
    archive.bucket.put("c.bin", b"spoiled")
    archive.bucket.put("deep/b.pdf", b"cc")  # of the same size
    merged = archive.merge(on_conflict="overwrite")
    assert (merged.success, objects(archive.bucket)) == (True, FILES)
    kept = {path.name: path.read_bytes() for path in archive.settings.workdir.glob("replaced-by-merges/*/media/**/*.*")}
    assert kept == {"c.bin": b"spoiled", "b.pdf": b"cc"}
    assert is_clean(archive)


@pytest.mark.long
def test_a_name_that_is_a_folder_of_other_objects_is_a_conflict(archive: Archive) -> None:
    archive.lose("a.pdf")
    archive.bucket.put("a.pdf/page-1", b"1")
    assert [conflict.code for conflict in archive.merge().plan.conflicts] == ["file"]


EACH_COPY, ANY_WRITE = (pytest.param(one, marks=pytest.mark.long) for one in ("each copy", "any write"))


@pytest.mark.long
@pytest.mark.parametrize("refused", ["the first copy", EACH_COPY, ANY_WRITE])
def test_what_a_store_refuses_half_way_is_taken_back(archive: Archive, refused: str, s3_account: S3Account) -> None:
    archive.lose("a.pdf", "deep/b.pdf")
    archive.bucket.put("c.bin", b"spoiled")
    before = (archive.papers(), objects(archive.bucket))

    def refuses(method: str, path: str) -> bool:
        live = f"/{archive.bucket.name}/media/" in path and "may-write" not in path
        wanted = {"the first copy": "a.pdf" in path, "each copy": live, "any write": True}
        return method == "PUT" and (live or refused == "any write") and wanted[refused]

    proxy = FaultyProxy(s3_account.options["endpoint_url"], 0, refuses=refuses)
    try:
        with pytest.raises((RepositoryForbidden, TerminalError)):
            archive.merge(archive.at(archive.settings, proxy.address), on_conflict="overwrite")
    finally:
        proxy.close()

    left = {name: data for name, data in objects(archive.bucket).items() if "may-write" not in name}
    assert (archive.papers(), left) == before
    assert archive.merge(on_conflict="overwrite").success
    assert (objects(archive.bucket), is_clean(archive)) == (FILES, True)


@pytest.mark.long
def test_what_cannot_be_taken_back_is_named_with_the_place_of_what_was_replaced(
    archive: Archive, s3_account: S3Account
) -> None:
    archive.lose("a.pdf")
    archive.bucket.put("c.bin", b"spoiled")
    written: list[str] = []

    def refuses(method: str, path: str) -> bool:
        live = method == "PUT" and f"/{archive.bucket.name}/media/" in path and "may-write" not in path
        written.extend([path] * live)
        return live and ("a.pdf" in path or sum("c.bin" in one for one in written) > 1)

    proxy = FaultyProxy(s3_account.options["endpoint_url"], 0, refuses=refuses)
    try:
        with pytest.raises(TerminalError, match="could not be taken back") as raised:
            archive.merge(archive.at(archive.settings, proxy.address), on_conflict="overwrite")
    finally:
        proxy.close()
    (kept,) = archive.settings.workdir.glob("replaced-by-merges/*/media")
    assert "c.bin" in str(raised.value) and str(kept) in str(raised.value)
    assert (kept / "c.bin").read_bytes() == b"spoiled"
    assert set(archive.papers()) == {"b", "c"}, "the database is unchanged"


@pytest.mark.long  # of a promotion, the same is asked in promotion/test_swap_in_a_store
def test_an_object_that_appears_meanwhile_is_not_replaced(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.lose("a.pdf", "deep/b.pdf")
    move_in = MergedStore.move_in

    def later(self: MergedStore, *given: Any) -> None:
        archive.bucket.put("deep/b.pdf", b"somebody's")
        move_in(self, *given)

    monkeypatch.setattr(MergedStore, "move_in", later)
    with pytest.raises(MergeRefused, match="appeared"):
        archive.merge()
    assert objects(archive.bucket) == {"c.bin": FILES["c.bin"], "deep/b.pdf": b"somebody's"}
    assert set(archive.papers()) == {"c"} and is_clean(archive)


@pytest.mark.long  # what was written is taken back after a refused copy, too
def test_an_object_that_is_replaced_while_it_is_kept_ends_the_merge_and_what_was_written_is_taken_back(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.lose("a.pdf")
    archive.bucket.put("c.bin", b"spoiled")
    before = objects(archive.bucket)
    piece = S3Files.piece

    def replaced(self: S3Files, key: str, etag: str, start: int, length: int) -> Any:
        if key == "c.bin" and length > 1 and self.full_key("").startswith("media/"):
            raise FileNotFoundError(key)  # as of a version that is gone
        return piece(self, key, etag, start, length)

    monkeypatch.setattr(S3Files, "piece", replaced)
    with pytest.raises(MergeRefused, match="while they were merged"):
        archive.merge(on_conflict="overwrite")
    monkeypatch.undo()
    assert (objects(archive.bucket), is_clean(archive)) == (before, True)


@pytest.mark.long  # of a restore, the same is asked in files/test_restore_in_a_store
def test_a_staged_object_that_is_not_as_in_the_snapshot_ends_the_merge(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.lose("a.pdf")
    as_written = MergedStore._require_as_written

    def spoiled(self: MergedStore, part: Any) -> None:
        archive.bucket.put("a.pdf", b"A", prefix=f"{self._staging.removeprefix(f's3://{archive.bucket.name}/')}/new/")
        as_written(self, part)

    monkeypatch.setattr(MergedStore, "_require_as_written", spoiled)
    with pytest.raises(TerminalError, match="not what was written"):
        archive.merge()
    assert "a.pdf" not in objects(archive.bucket) and is_clean(archive)


@pytest.mark.long  # so does a refused copy, above
def test_a_failed_commit_takes_the_objects_back(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.lose("a.pdf")
    archive.bucket.put("c.bin", b"spoiled")
    before = objects(archive.bucket)

    def fails(*_: Any) -> None:
        raise TerminalError("The disk of the database is full.")

    monkeypatch.setattr("flows.merge.commit", replace(commit, fn=fails))
    with pytest.raises(TerminalError, match="disk"):
        archive.merge(on_conflict="overwrite")
    assert (objects(archive.bucket), is_clean(archive)) == (before, True)


@pytest.mark.long  # so is it after the kill below
def test_what_a_killed_merge_staged_is_removed_by_the_next_one(archive: Archive) -> None:
    archive.lose("a.pdf")
    archive.bucket.put("a.pdf", b"left", prefix="media.edms-staging-0123abcd/new/")
    assert archive.merge().success
    assert is_clean(archive)


@pytest.mark.long
def test_a_whole_bucket_needs_a_place_beside_it(archive: Archive) -> None:
    archive.lose("a.pdf")
    files = archive.settings.files
    whole = archive.settings.model_copy(
        update={"files": files.model_copy(update={"stores": {"media": f"s3://{archive.bucket.name}"}})}
    )
    with pytest.raises(StoreNotWritten, match="beside"):
        archive.merge(whole)
    assert set(archive.papers()) == {"b", "c"}


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("step", [59, pytest.param(1, marks=pytest.mark.long)])
def test_a_merge_that_is_killed_at_any_request_is_whole_or_is_finished_by_the_next_one(
    archive: Archive, step: int
) -> None:
    finished = False
    for number in itertools.count(step, step):
        archive.lose("a.pdf")
        archive.bucket.put("c.bin", b"spoiled")
        try:
            with killed_at(number, "before"):
                finished = archive.merge(on_conflict="overwrite").success
        except Killed:
            pass

        there, rows = objects(archive.bucket), set(archive.papers())
        assert (there.get("a.pdf"), there["c.bin"]) in itertools.product((None, b"a"), (b"spoiled", FILES["c.bin"]))
        if there["c.bin"] != b"spoiled":
            kept = archive.settings.workdir.glob("replaced-by-merges/*/media/c.bin")
            assert b"spoiled" in {path.read_bytes() for path in kept}
        assert there == FILES or "a" not in rows, "rows are committed after all their objects are there"
        assert archive.merge(on_conflict="overwrite").success
        assert (objects(archive.bucket), set(archive.papers())) == (FILES, {"a", "b", "c"})
        if finished:
            break
        shutil.rmtree(archive.settings.workdir / "replaced-by-merges", ignore_errors=True)
    assert is_clean(archive)
