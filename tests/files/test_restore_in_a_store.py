"""An EDMS with its files in an S3 store is restored in place: staged, read back, swapped, and rolled back. On a real S3 server."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from edms_tasks.errors import RepositoryForbidden, SettingsError, StoreNotWritten
from edms_tasks.files.live_stores import MAY_WRITE
from edms_tasks.files.root_backup import index_files
from edms_tasks.files.store_place import StorePlace
from edms_tasks.files.store_restore import check_store, restore_to_store
from edms_tasks.inventory.model import FileRoot
from edms_tasks.settings import Settings
from flows.prune import prune
from flows.requests import PruneRequest
from flows.rollback import list_ways_back
from flows.running.run import Run
from tests.files.test_files_in_a_store import FILES, Bucket, bucket, fill, system_in
from tests.running import run_backup, run_restore, run_restore_plan, run_rollback
from tests.stores.faulty_proxy import FAULTS, FaultyProxy
from tests.stores.s3_places import new_bucket, secret_options
from tests.stores.swift_server import S3Account

__all__ = ["bucket"]
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]


def objects(bucket: Bucket, prefix: str = "media/") -> dict[str, bytes]:
    got = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix)
    keys = [one["Key"] for one in got.get("Contents", ())]
    return {
        key.removeprefix(prefix): bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read() for key in keys
    }


def spoil(bucket: Bucket, settings: Settings) -> dict[str, bytes]:
    """Lose, change and add objects, and rows; returns the objects then."""
    bucket.put("b.bin", b"ransom")
    bucket.client.delete_object(Bucket=bucket.name, Key="media/a/deep/er.txt")
    bucket.put("README FOR RANSOM", b"pay")
    assert settings.edms.project is not None
    with sqlite3.connect(Path(settings.edms.project) / "db.sqlite3") as connection:
        connection.execute("DELETE FROM small_scan")
    connection.close()
    return objects(bucket)


def rows(settings: Settings) -> int:
    assert settings.edms.project is not None
    connection = sqlite3.connect(Path(settings.edms.project) / "db.sqlite3")
    try:
        return int(connection.execute("SELECT count(*) FROM small_scan").fetchone()[0])
    finally:
        connection.close()


@pytest.mark.long
def test_a_system_is_restored_in_its_place_and_rolled_back_and_what_was_set_aside_is_forgotten(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    run_backup(settings, create_repository=True)
    spoiled = spoil(bucket, settings)
    planned = run_restore_plan(settings)
    assert any(bucket.root.path in note for note in planned.notes)
    assert objects(bucket, "media.") == {}, "a plan writes nothing"

    done = run_restore(settings)

    assert (done.verdict, done.promoted, done.files) == ("proved", True, len(FILES))
    assert (objects(bucket), rows(settings)) == (FILES, 3)
    (way,) = list_ways_back(settings).ways
    ((live, kept),) = way.folders
    assert live == bucket.root.path
    aside = f"{kept.removeprefix(f's3://{bucket.name}/')}/"
    assert objects(bucket, aside) == spoiled
    assert len(objects(bucket, "media.")) == len(spoiled)

    run_rollback(settings)
    assert (objects(bucket), rows(settings)) == (spoiled, 0)
    run_rollback(settings, stamp=list_ways_back(settings).ways[0].stamp)
    assert (objects(bucket), rows(settings)) == (FILES, 3)

    forgotten = prune.fn(Run(settings), PruneRequest(keep_last=9, keep_set_aside="0d", dry_run=False))
    assert [state.why_not for state in forgotten.set_aside] == [""] * len(forgotten.set_aside)
    assert objects(bucket, "media.") == {}
    assert objects(bucket, "elsewhere") == {".txt": b"not ours"}


@pytest.mark.parametrize(
    "damage", ["changed", *(pytest.param(one, marks=pytest.mark.long) for one in ("missing", "added"))]
)
def test_a_staged_object_that_is_not_as_in_the_snapshot_is_named_and_nothing_live_is_touched(
    damage: str, bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    run_backup(settings, create_repository=True)
    spoiled = spoil(bucket, settings)

    def spoil_staged(*_: object) -> None:
        (staged,) = {key.partition("/")[0] for key in objects(bucket, "media.edms-staging-")}
        at = f"media.edms-staging-{staged}/"
        if damage == "missing":
            bucket.client.delete_object(Bucket=bucket.name, Key=f"{at}a.txt")
        else:
            bucket.put("a.txt" if damage == "changed" else "more.txt", b"b", prefix=at)

    done = run_restore(settings, before_validation=spoil_staged)

    assert not done.success and not done.promoted
    assert any("a.txt" in line or "more.txt" in line for line in done.failures), done.failures
    assert (objects(bucket), rows(settings)) == (spoiled, 0)
    assert objects(bucket, "media.") == {}


@pytest.mark.long  # a whole bucket is refused in the same place
def test_a_store_that_may_not_be_written_to_is_named_before_anything_is_staged(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    snapshot = run_backup(settings, create_repository=True).snapshot_id
    spoiled = spoil(bucket, settings)
    upstream = s3_account.options["endpoint_url"]
    for refused in ("PUT", "DELETE"):
        proxy = FaultyProxy(upstream, 0, refuses=lambda method, path: method == refused)  # noqa: B023 - used at once
        try:
            options = secret_options({**s3_account.options, "endpoint_url": proxy.address})
            files = settings.files.model_copy(update={"options": {"media": options}})
            with pytest.raises(RepositoryForbidden) as raised:
                run_restore(settings.model_copy(update={"files": files}))
            assert "[repository]" not in str(raised.value)
        finally:
            proxy.close()
    assert (rows(settings), {key for key in objects(bucket) if "may-write" not in key}) == (0, set(spoiled))
    bucket.put(MAY_WRITE, b"")  # as a run leaves it that is killed
    (index,) = run_backup(settings).manifest.files
    assert index.files == len(spoiled)
    assert run_restore(settings, snapshot=snapshot).promoted
    assert (objects(bucket), rows(settings)) == (FILES, 3)


@pytest.mark.long  # a killed promotion is in promotion/test_swap_in_a_store
def test_what_killed_restores_staged_is_removed_by_the_next_one(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    run_backup(settings, create_repository=True)
    bucket.put("x", b"left", prefix="media.edms-staging-0123abcd/")
    bucket.put("x", b"not ours", prefix="media.edms-staging-notes/")
    bucket.client.create_multipart_upload(Bucket=bucket.name, Key="media.edms-staging-0123abcd/large")
    done = run_restore(settings)
    assert any("edms-staging-0123abcd" in note for note in done.notes)
    left = {key.partition("/")[0] for key in objects(bucket, "media.edms-staging-")}
    assert left == {"notes"}


@pytest.mark.long
def test_a_whole_bucket_is_restored_with_another_one_beside_it(
    s3_account: S3Account, bucket: Bucket, tmp_path: Path
) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    other = new_bucket(s3_account)
    whole = settings.files.model_copy(update={"stores": {"media": f"s3://{bucket.name}"}})
    settings = settings.model_copy(update={"files": whole})
    made = run_backup(settings, create_repository=True)
    assert "store-without-place-beside" in {one.code for one in made.manifest.findings}
    with pytest.raises(StoreNotWritten, match="beside"):
        run_restore(settings)

    beside = whole.model_copy(update={"beside": {"media": f"s3://{other}/kept"}})
    settings = settings.model_copy(update={"files": beside})
    before = objects(bucket, "")
    spoiled = spoil(bucket, settings)
    assert run_restore(settings).verdict == "proved"
    assert objects(bucket, "") == before
    kept = bucket.client.list_objects_v2(Bucket=other)["Contents"]
    assert len(kept) == len(spoiled) + 1  # and elsewhere.txt
    assert all(one["Key"].startswith("kept.previous-") for one in kept)


def test_roots_inside_each_other_are_refused_by_name(bucket: Bucket, s3_account: S3Account, tmp_path: Path) -> None:
    settings = system_in(bucket, s3_account, tmp_path)
    run_backup(settings, create_repository=True)
    stores = {"media": bucket.root.path, "deep": f"{bucket.root.path}/a"}
    options = {name: secret_options(s3_account.options) for name in stores}
    files = settings.files.model_copy(update={"stores": stores, "options": options})
    with pytest.raises(SettingsError, match="'deep'"):
        run_restore(settings.model_copy(update={"files": files}))


@pytest.mark.long  # of a repository, the same is asked in test_backup_to_a_server
@pytest.mark.parametrize("faults", [3, 7])  # every third request fails
def test_a_store_that_fails_often_is_asked_again(
    faults: int, bucket: Bucket, s3_account: S3Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.FIRST_PAUSE", 0.001)
    settings = system_in(bucket, s3_account, tmp_path)
    run_backup(settings, create_repository=True)
    spoil(bucket, settings)
    proxy = FaultyProxy(s3_account.options["endpoint_url"], faults)
    try:
        options = secret_options({**s3_account.options, "endpoint_url": proxy.address})
        files = settings.files.model_copy(update={"options": {"media": options}})
        assert run_restore(settings.model_copy(update={"files": files})).verdict == "proved"
    finally:
        proxy.close()
    assert set(proxy.failed) == set(FAULTS)
    assert (objects(bucket), rows(settings)) == (FILES, 3)


def place(bucket: Bucket, account: S3Account, prefix: str) -> StorePlace:
    from edms_tasks.files.live_stores import LiveStores

    url = f"s3://{bucket.name}/{prefix}"
    return LiveStores({"media": url}, {}, {"media": secret_options(account.options)}).place(url, url)


def test_content_types_of_early_snapshots_are_those_of_live_objects_or_those_that_django_gives(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    fill(bucket, {"a.pdf": b"1", "b.pdf": b"2", "c.tar.gz": b"3", "d": b"4"})
    index = bucket.back_up()[0].model_copy(update={"headers": None})
    bucket.client.put_object(
        Bucket=bucket.name, Key="media/a.pdf", Body=b"", ContentType="text/x", Metadata={"scanner": "7"}
    )
    bucket.client.delete_object(Bucket=bucket.name, Key="media/b.pdf")
    for key in ("c.tar.gz", "d"):
        bucket.client.delete_object(Bucket=bucket.name, Key=f"media/{key}")
    staged, live = (place(bucket, s3_account, name) for name in ("staged", "media"))

    restore_to_store(index, bucket.repository, staged, live, scratch=tmp_path / "scratch")

    found = {
        key: bucket.client.head_object(Bucket=bucket.name, Key=f"staged/{key}") for key in objects(bucket, "staged/")
    }
    assert (found["a.pdf"]["ContentType"], found["a.pdf"]["Metadata"]) == ("text/x", {"scanner": "7"})
    assert found["b.pdf"]["ContentType"] == "application/pdf"
    assert (found["c.tar.gz"]["ContentType"], found["c.tar.gz"]["ContentEncoding"]) == ("application/x-tar", "gzip")
    assert found["d"]["ContentType"] == "application/octet-stream"


@pytest.mark.long  # from a store into a store, above
def test_files_of_a_folder_move_into_a_store_with_their_empty_folders(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "large").write_bytes(bytes(range(256)) * 2**17)  # 32 MiB: written in parts
    (folder / "nothing/in it").mkdir(parents=True)
    index, _ = index_files(FileRoot(name="media", path=str(folder)), bucket.repository, scratch=tmp_path / "scratch")
    staged = place(bucket, s3_account, "staged")

    restore_to_store(index, bucket.repository, staged, place(bucket, s3_account, "media"), scratch=tmp_path / "s")

    check = check_store(index, bucket.repository, staged, scratch=tmp_path / "check")
    assert check.success, check
    assert objects(bucket, "staged/nothing/") == {"in it/": b""}
    bucket.put("large", b"short", prefix="staged/")
    again: Any = check_store(index, bucket.repository, staged, scratch=tmp_path / "check")
    assert (again.success, again.altered) == (False, ("large",))


def test_a_name_that_cannot_be_a_key_is_named_before_anything_is_written(
    bucket: Bucket, s3_account: S3Account, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    deep = folder.joinpath(*["d" * 200] * 5)
    deep.mkdir(parents=True)
    (deep / "x").write_bytes(b"1")
    index, _ = index_files(FileRoot(name="media", path=str(folder)), bucket.repository, scratch=tmp_path / "scratch")
    staged = place(bucket, s3_account, "staged")
    with pytest.raises(Exception, match="cannot be the key"):
        restore_to_store(index, bucket.repository, staged, place(bucket, s3_account, "media"), scratch=tmp_path / "s")
    assert objects(bucket, "staged/") == {}
