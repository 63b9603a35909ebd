"""Files in an S3 store are backed up like those of a folder, and restored into one. On Swift, a real S3 server."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import EdmsBackupError, SettingsError
from edms_tasks.files.file_sources import source_of
from edms_tasks.files.root_backup import index_files
from edms_tasks.files.root_restore import restore_files
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.manifest import FileIndex
from edms_tasks.repository import Repository
from edms_tasks.repository.backends.s3_store import s3_client
from edms_tasks.settings import RepositorySettings, Settings, settings_from
from flows.live.folder_checks import overlapping_stores
from tests.files.test_stores import STORE, WHERE, project, stores_of
from tests.inventory.small_project import run_python
from tests.running import run_backup, run_doctor, run_restore, run_verify
from tests.stores.s3_places import new_bucket, secret_options
from tests.stores.swift_server import S3Account

pytestmark = pytest.mark.usefixtures("edms_asked_once")

FILES = {
    "a.txt": b"a",
    "a-b.txt": b"",
    "a/deep/er.txt": b"deep",
    "a/deep/ü\u2028 x.txt": b"odd name",
    "b.bin": bytes(range(256)) * 400,
}


class Bucket:
    """A bucket with documents below `media/`, and something that is none of ours beside them."""

    def __init__(self, account: S3Account, name: str, scratch: Path) -> None:
        self.client: Any = s3_client(secret_options(account.options), "")
        self.name, self._account, self._scratch = name, account, scratch
        self.repository = Repository.create(RepositorySettings(url=str(scratch / "repository")))
        self.root = FileRoot(name="media", path=f"s3://{name}/media")
        self.put("elsewhere.txt", b"not ours", prefix="")

    def put(self, key: str, data: bytes, prefix: str = "media/") -> None:
        content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
        self.client.put_object(Bucket=self.name, Key=prefix + key, Body=data, ContentType=content_type)

    def back_up(self, previous: FileIndex | None = None, **options: Any) -> tuple[FileIndex, tuple[Finding, ...]]:
        source = source_of(self.root, {"media": secret_options(self._account.options)})
        return index_files(
            self.root, self.repository, previous=previous, scratch=self._scratch / "scratch", source=source, **options
        )

    def restored(self, index: FileIndex, name: str) -> dict[str, bytes]:
        folder = self._scratch / name
        restore_files(index, self.repository, folder)
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def bucket(s3_account: S3Account, tmp_path: Path) -> Bucket:
    return Bucket(s3_account, new_bucket(s3_account), tmp_path)


def fill(bucket: Bucket, files: Mapping[str, bytes]) -> None:
    for key, data in files.items():
        bucket.put(key, data)


def test_what_comes_back_is_what_is_in_the_store(bucket: Bucket) -> None:
    fill(bucket, FILES)
    index, findings = bucket.back_up()
    assert findings == ()
    assert (index.files, index.bytes) == (len(FILES), sum(map(len, FILES.values())))
    assert bucket.restored(index, "out") == FILES


@pytest.mark.usefixtures("objects_count_as_old")
def test_an_unchanged_object_is_not_read_again_and_a_changed_one_is(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bucket, FILES)
    first, _ = bucket.back_up()
    read = _reads(monkeypatch)
    again, _ = bucket.back_up(first)
    assert read == [] and again == first

    bucket.put("b.bin", bytes(reversed(FILES["b.bin"])))  # the same size, perhaps in the same second
    bucket.put("new", b"new")
    bucket.client.delete_object(Bucket=bucket.name, Key="media/a.txt")
    second, findings = bucket.back_up(again)
    assert (sorted(read), findings) == (["b.bin", "new"], ())
    changed = {**FILES, "b.bin": bytes(reversed(FILES["b.bin"])), "new": b"new"}
    changed.pop("a.txt")
    assert bucket.restored(second, "second") == changed
    assert bucket.restored(first, "first") == FILES


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from edms_tasks.repository.backends.s3_files import S3Files

    read: list[str] = []
    piece = S3Files.piece

    def noted(self: S3Files, key: str, *rest: Any) -> Any:
        read.append(key)
        return piece(self, key, *rest)

    monkeypatch.setattr(S3Files, "piece", noted)
    return read


def test_an_object_larger_than_a_pack_is_read_in_pieces_of_one_version(bucket: Bucket) -> None:
    large = bytes(range(251)) * 80_000  # 20 MB
    fill(bucket, {"large": large})
    index, findings = bucket.back_up()
    assert findings == ()
    assert bucket.restored(index, "out") == {"large": large}


def test_names_that_are_no_paths_are_named_and_folders_that_consoles_make_are_folders(bucket: Bucket) -> None:
    fill(
        bucket,
        {"good": b"1", "a//b": b"2", "x/../y": b"3", "name": b"4", "name/below": b"5", "empty/": b"", "n" * 256: b"6"},
    )
    index, (found,) = bucket.back_up()
    assert (found.code, found.severity, found.count) == ("object-not-a-file", "error", 4)
    assert bucket.restored(index, "out") == {"good": b"1", "name/below": b"5"}


def test_an_empty_prefix_is_an_empty_root(bucket: Bucket) -> None:
    index, findings = bucket.back_up()
    assert (index.files, findings, bucket.restored(index, "out")) == (0, (), {})


def test_an_object_that_is_gone_when_it_is_read_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bucket, FILES)
    from edms_tasks.repository.backends.s3_files import S3Files

    objects = S3Files.objects

    def then_removed(self: S3Files, following: str) -> Any:
        found = objects(self, following)
        bucket.client.delete_object(Bucket=bucket.name, Key="media/b.bin")
        return found

    monkeypatch.setattr(S3Files, "objects", then_removed)
    index, (found,) = bucket.back_up()
    assert (found.code, found.examples, index.files) == ("file-vanished", ("b.bin",), len(FILES) - 1)


@pytest.mark.parametrize("wrong", [{"secret": "wrong"}, {"endpoint_url": "http://127.0.0.1:1"}, {"colour": "red"}])
def test_a_store_that_cannot_be_listed_is_no_empty_one(
    bucket: Bucket, wrong: dict[str, str], s3_account: S3Account
) -> None:
    fill(bucket, FILES)
    options = secret_options({**s3_account.options, **wrong})
    with pytest.raises(EdmsBackupError) as raised:
        index_files(
            bucket.root,
            bucket.repository,
            scratch=bucket._scratch / "scratch",
            source=source_of(bucket.root, {"media": options}),
        )
    assert "[repository]" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["gs://bucket", "s3://", "s3://key:secret@bucket/media", "s3://bucket/a?b=c", "https://x/y"]
)
def test_an_address_that_is_none_is_refused_by_name(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="media"):
        settings_from({"files": {"roots": {"media": url}}}, where=tmp_path / "edms-backup.toml")


def system_in(bucket: Bucket, account: S3Account, folder: Path) -> Settings:
    """An EDMS with its files in the bucket, and rows that name some of them."""
    fill(bucket, FILES)
    store = STORE.replace("plant-media", bucket.name).replace("edms/", "media/")
    settings = project(folder, *WHERE["the default"], store=store)
    run_python(folder / "edms", "[Scan.objects.create(file=name) for name in ('a.txt', 'a/deep/er.txt', 'gone.txt')]")
    files = settings.files.model_copy(
        update={
            "stores": {"media": f"s3://{bucket.name}/media"},
            "options": {"media": secret_options(account.options)},
        }
    )
    return settings.model_copy(update={"files": files})


def test_a_system_with_its_files_in_a_store_is_backed_up_and_restored_into_a_folder(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    settings = system_in(bucket, s3_account, tmp_path)

    made = run_backup(settings, create_repository=True)

    codes = {one.code: one for one in made.manifest.findings}
    assert [one.code for one in stores_of(made.manifest.findings)] == []
    assert (codes["missing-file"].count, codes["missing-file"].examples) == (1, ("gone.txt",))
    assert made.verified and run_verify(settings).success
    assert (
        "secret" not in json.dumps(made.as_json())
        and s3_account.options["secret"] not in made.manifest.model_dump_json()
    )

    assert run_restore(settings, into=str(tmp_path / "copy.sqlite3"), into_files=tmp_path / "files").success
    assert {
        str(path.relative_to(tmp_path / "files/media")): path.read_bytes()
        for path in (tmp_path / "files/media").rglob("*")
        if path.is_file()
    } == FILES
    examined = run_doctor(settings)
    assert "storage-not-a-folder" not in {one.code for one in examined.diagnosis.assessments}
    assert examined.files == len(FILES)


@pytest.mark.parametrize(
    ("url", "options", "overlaps"),
    [
        ("s3://docs/backups", {}, True),
        ("s3://docs", {}, True),
        ("s3://docs/media/backups", {}, True),
        ("s3://docs-2/media", {}, False),
        ("s3://docs/media", {"endpoint_url": "https://other.example"}, False),
    ],
)
def test_a_repository_in_the_store_that_is_backed_up_is_refused(
    url: str, options: dict[str, str], *, overlaps: bool, tmp_path: Path
) -> None:
    store = "s3://docs" if url.endswith("backups") and "media" not in url else "s3://docs/media"
    repository = RepositorySettings(url=url, options=secret_options(options))
    settings = settings_from({"files": {"roots": {"media": store}}}, where=tmp_path / "edms-backup.toml")
    settings = settings.model_copy(update={"repository": repository})
    found = list(overlapping_stores(settings))
    assert bool(found) is overlaps
