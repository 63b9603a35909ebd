"""Content types and metadata of objects are in the snapshot and come back with them. On a real S3 server; tags on moto."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edms_tasks.errors import DamagedRepository
from edms_tasks.files.index_fetch import open_index
from edms_tasks.files.index_part import part_of
from edms_tasks.files.own_headers import check_headers
from edms_tasks.files.pack_check import verify_files
from edms_tasks.files.root_backup import index_files
from edms_tasks.files.store_place import StorePlace, place_at
from edms_tasks.files.store_restore import check_store, restore_to_store, write_objects
from edms_tasks.manifest import FileIndex
from edms_tasks.repository.backends.kept_headers import has_more
from edms_tasks.repository.backends.s3_files import S3Files
from edms_tasks.repository.backends.s3_writing import S3Writing
from edms_tasks.salvage.salvaged_files import survey_files
from tests.files.test_files_in_a_store import FILES, Bucket, bucket, fill, system_in
from tests.promotion.test_swap_in_a_store import SystemInAStore, system
from tests.running import run_backup, run_restore
from tests.stores.swift_server import S3Account

__all__ = ["bucket", "system"]

OWN: dict[str, dict[str, Any]] = {
    "scan": {"ContentType": "application/pdf"},
    "page.html": {"ContentType": "text/html", "Metadata": {"scanner": "7"}},
    "deep/ü.txt": {
        "ContentType": "text/plain",
        "ContentDisposition": 'attachment; filename="x.txt"',
        "CacheControl": "no-store",
    },
    "large": {"ContentType": "image/tiff"},
}
BY_NAME: dict[str, dict[str, Any]] = {
    "plain.html": {"ContentType": "text/html"},
    "by hand": {"ContentType": "binary/octet-stream"},
}


def put(bucket: Bucket, headers: Mapping[str, Mapping[str, Any]], prefix: str = "media/") -> None:
    for key, own in headers.items():
        body = b"0" * (9 * 1024 * 1024 if key == "large" else 3)  # more than one part
        bucket.client.put_object(Bucket=bucket.name, Key=prefix + key, Body=body, **own)


def headers(
    bucket: Bucket, names: Mapping[str, Mapping[str, Any]], prefix: str = "media/"
) -> dict[str, dict[str, Any]]:
    """Of each object what `names` has of it, as the store says it now."""
    return {
        key: {name: bucket.client.head_object(Bucket=bucket.name, Key=prefix + key).get(name) for name in own}
        for key, own in names.items()
    }


def place(bucket: Bucket, prefix: str) -> StorePlace:
    return place_at(bucket.client, f"s3://{bucket.name}/{prefix}", "media")


def noted(index: FileIndex, bucket: Bucket, folder: Path) -> set[bytes]:
    """The paths of which the snapshot has headers."""
    (ref,) = index.headers or ()
    folder.mkdir(exist_ok=True)
    path = folder / "headers.parquet"
    path.unlink(missing_ok=True)
    bucket.repository.fetch(ref, path)
    return set(pq.read_table(path)["path"].to_pylist())


@pytest.mark.long  # in place, below
def test_objects_come_back_with_their_headers_into_an_empty_place(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, {**OWN, **BY_NAME})

    index, findings = bucket.back_up()
    restore_to_store(index, bucket.repository, place(bucket, "new"), place(bucket, "nothing"), scratch=tmp_path / "r")
    check = check_store(index, bucket.repository, place(bucket, "new"), scratch=tmp_path / "c")

    assert findings == ()
    assert noted(index, bucket, tmp_path / "n") == {key.encode() for key in OWN}
    assert headers(bucket, {**OWN, **BY_NAME}, "new/") == {
        **OWN,
        "plain.html": BY_NAME["plain.html"],
        "by hand": {"ContentType": "application/octet-stream"},
    }
    assert (check.success, check.note) == (True, "")


@pytest.mark.usefixtures("objects_count_as_old")
def test_headers_of_unchanged_objects_are_those_of_the_earlier_snapshot(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, {**OWN, **BY_NAME})
    first, _ = bucket.back_up()
    asked: list[str] = []
    monkeypatch.setattr(S3Writing, "headers", lambda self, key: asked.append(key))

    assert bucket.back_up(first)[0] == first
    bucket.client.delete_object(Bucket=bucket.name, Key="media/scan")
    bucket.put("page.html", b"other bytes")
    put(bucket, {"new": {"ContentType": "image/gif"}})
    second, _ = bucket.back_up(first)

    assert asked == []
    assert noted(second, bucket, tmp_path / "n") == {b"deep/\xc3\xbc.txt", b"large", b"new"}


def test_an_object_that_was_written_again_in_the_second_of_a_backup_has_its_new_headers_in_the_next(
    bucket: Bucket, tmp_path: Path
) -> None:
    time.sleep(1 - time.time() % 1)
    put(bucket, {"scan": {"ContentType": "application/pdf"}})
    first, _ = bucket.back_up()
    put(bucket, {"scan": {"ContentType": "image/png"}})  # the same bytes

    second, _ = bucket.back_up(first)

    restore_to_store(second, bucket.repository, place(bucket, "new"), place(bucket, "nothing"), scratch=tmp_path / "r")
    assert headers(bucket, {"scan": {"ContentType": ""}}, "new/") == {"scan": {"ContentType": "image/png"}}


@pytest.mark.long
@pytest.mark.usefixtures("objects_count_as_old")
def test_a_snapshot_of_an_earlier_release_has_no_headers_and_the_next_one_asks_for_them(
    bucket: Bucket, tmp_path: Path
) -> None:
    put(bucket, {**OWN, **BY_NAME})
    first, _ = bucket.back_up()
    earlier = FileIndex.model_validate({key: value for key, value in first.model_dump().items() if key != "headers"})
    assert earlier.headers is None

    second, _ = bucket.back_up(earlier)
    assert second == first

    put(bucket, {"scan": {"ContentType": "image/png"}}, "live/")
    restore_to_store(earlier, bucket.repository, place(bucket, "new"), place(bucket, "live"), scratch=tmp_path / "r")
    assert headers(bucket, {"scan": {"ContentType": ""}}, "new/") == {"scan": {"ContentType": "image/png"}}, (
        "the live object's, as before"
    )


def test_a_part_of_the_files_under_other_names_has_their_headers(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, OWN)
    index, _ = bucket.back_up()

    with open_index(index, bucket.repository, tmp_path / "i") as opened:
        part = part_of(opened, {b"scan": b"kept/scan", b"page.html": b"scan"})
        write_objects(part, bucket.repository, place(bucket, "new"), place(bucket, "media"))

    wanted = {"kept/scan": OWN["scan"], "scan": OWN["page.html"]}
    assert headers(bucket, wanted, "new/") == wanted


@pytest.mark.long  # of other content, below
def test_an_object_of_equal_content_with_other_headers_is_swapped_too(system: SystemInAStore) -> None:
    staged = system.fill()
    kept = {"ContentType": "application/pdf", "Metadata": {"scanner": "7"}}
    system.put(f"{system.prefix(staged)}/same.txt", b"same", **kept)

    def now() -> dict[str, Any]:
        found = system.client.head_object(Bucket=system.bucket, Key="media/same.txt")
        return {name: found[name] for name in kept}

    before = now()
    system.promote(staged, system.journal())
    promoted = now()
    system.roll_back(system.journal())

    assert (promoted, now()) == (kept, before)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("edms_asked_once")
def test_a_restore_in_place_gives_them_back(bucket: Bucket, s3_account: S3Account, tmp_path: Path) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    put(bucket, OWN)
    assert run_backup(settings, create_repository=True).verified
    bucket.client.delete_object(Bucket=bucket.name, Key="media/page.html")
    put(bucket, {"scan": {"ContentType": "text/plain", "Metadata": {"wrong": "1"}}})  # the same bytes

    done = run_restore(settings)

    assert (done.verdict, done.promoted, done.files) == ("proved", True, len(FILES) + len(OWN))
    assert headers(bucket, OWN) == OWN
    assert bucket.client.head_object(Bucket=bucket.name, Key="media/scan")["Metadata"] == {}


def test_a_store_that_gives_objects_other_headers_is_named(bucket: Bucket, tmp_path: Path) -> None:
    fill(bucket, {"a": b"a"})
    put(bucket, {"scan": OWN["scan"]})
    index, _ = bucket.back_up()
    restore_to_store(index, bucket.repository, place(bucket, "new"), place(bucket, "nothing"), scratch=tmp_path / "r")
    put(bucket, {"scan": {"ContentType": "image/png"}}, "new/")

    check = check_store(index, bucket.repository, place(bucket, "new"), scratch=tmp_path / "c")

    assert check.success
    assert "other headers" in check.note and "scan" in check.note


def test_what_cannot_be_kept_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bucket, {"a.txt": b"a", "b.txt": b"b"})
    piece = S3Files.piece

    def tagged(self: S3Files, key: str, *rest: Any) -> Any:
        found = piece(self, key, *rest)
        return type(found)(**{**vars(found), "has_more": key == "a.txt"})  # Swift has no tags

    monkeypatch.setattr(S3Files, "piece", tagged)

    (found,) = bucket.back_up()[1]

    assert (found.code, found.severity, found.examples) == ("object-headers-not-kept", "warning", ("a.txt",))


@pytest.mark.parametrize("earlier", [False, True])
def test_headers_longer_than_a_restore_accepts_are_named_and_not_kept(
    earlier: bool, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bucket, {"a.txt": b"a", "b.txt": b"b"})
    previous = bucket.back_up()[0].model_copy(update={"headers": None}) if earlier else None
    long = {"ContentType": "text/plain", "Metadata": {"note": '"' * 9_000}}  # AWS takes 2 KB, others more

    def piece(self: S3Files, key: str, *rest: Any) -> Any:
        found = _piece(self, key, *rest)
        return type(found)(**{**vars(found), "headers": long}) if key == "a.txt" else found

    _piece, _headers = S3Files.piece, S3Writing.headers
    monkeypatch.setattr(S3Files, "piece", piece)
    monkeypatch.setattr(S3Writing, "headers", lambda self, key: long if key == "a.txt" else _headers(self, key))

    index, (found,) = bucket.back_up(previous)

    assert (found.code, found.examples) == ("object-headers-not-kept", ("a.txt",))
    assert verify_files(index, bucket.repository, scratch=tmp_path / "v") == ()
    restore_to_store(index, bucket.repository, place(bucket, "new"), place(bucket, "nothing"), scratch=tmp_path / "r")


@pytest.mark.parametrize("answer", [{"TagCount": 2}, {"ExpiresString": "Thu, 01 Dec 2030 16:00:00 GMT"}])
def test_tags_and_a_time_of_expiry_are_more_than_headers(answer: dict[str, Any]) -> None:
    assert has_more(answer)
    assert not has_more({"ContentType": "text/plain", "Metadata": {}})


HOSTILE = {
    "no JSON": "{",
    "no object": "[]",
    "another header": '{"Body": "x"}',
    "a line break": '{"ContentType": "a\\r\\nX: y"}',
    "metadata that are no texts": '{"Metadata": {"a": [1]}}',
    "too long": '{"ContentType": "' + "x" * 20_000 + '"}',
    "deep": "[" * 16_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_headers_that_no_backup_writes_are_damage(what: str, bucket: Bucket, tmp_path: Path) -> None:
    path = tmp_path / "headers.parquet"
    schema = pa.schema(
        [pa.field("path", pa.binary(), nullable=False), pa.field("headers", pa.string(), nullable=False)]
    )
    pq.write_table(pa.table({"path": [b"a"], "headers": [HOSTILE[what]]}, schema=schema), path)
    fill(bucket, {"a": b"a"})
    index = bucket.back_up()[0].model_copy(update={"headers": (bucket.repository.put_file(path),)})

    with pytest.raises(DamagedRepository):
        check_headers(index, bucket.repository, tmp_path)
    assert len(verify_files(index, bucket.repository, scratch=tmp_path / "v")) == 1


class Read:
    """Counts the files whose contents were read."""

    files = 0

    def __call__(self, count: int, size: int = 0) -> None:
        self.files += count

    def expect(self, count: int, size: int = 0) -> None:
        pass


def test_damaged_headers_are_named_and_hide_no_damaged_file(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, {"scan": OWN["scan"], "page.html": OWN["page.html"]})
    index, _ = bucket.back_up()
    (ref,) = index.headers or ()
    assert bucket.repository.local_folder is not None
    (bucket.repository.local_folder / "objects" / ref.sha256[:2] / ref.sha256).write_bytes(b"damaged")
    read = Read()

    problems = verify_files(index, bucket.repository, scratch=tmp_path / "v", progress=read)

    assert len(problems) == 1 and ref.sha256 in problems[0] and "content types and metadata" in problems[0]
    assert read.files == index.files == 2


def test_lost_headers_cost_no_file_of_a_salvage_and_are_named(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, {"scan": OWN["scan"]})
    index, _ = bucket.back_up()
    (ref,) = index.headers or ()
    assert bucket.repository.local_folder is not None
    (bucket.repository.local_folder / "objects" / ref.sha256[:2] / ref.sha256).unlink()

    salvaged = survey_files(
        index,
        bucket.repository.with_overlay(tmp_path / "overlay"),
        tmp_path / "s",
        made_up_at_ns=0,
        progress=None,
        jobs=1,
    )

    assert (salvaged.index.files, salvaged.index.headers) == (1, None)
    assert salvaged.loss is not None and [one.sha256 for one in salvaged.loss.packs] == [ref.sha256]


def test_files_of_a_folder_have_none(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media/a").write_bytes(b"a")
    root = bucket.root.model_copy(update={"path": str(tmp_path / "media")})

    assert index_files(root, bucket.repository, scratch=tmp_path / "s")[0].headers is None
