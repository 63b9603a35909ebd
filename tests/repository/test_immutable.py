"""`immutable_days`: what a backup wrote or used is kept by S3 object lock, if the bucket really has it. On moto, as Swift has none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from edms_tasks.errors import SettingsError
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.backends.s3_store import s3_client
from edms_tasks.settings import RepositorySettings, Settings
from flows.live.life_cycle import life_cycle_findings
from flows.live.object_lock import object_lock_findings
from tests.repository.samples import FIRST_DAY, manifest_of
from tests.stores.s3_places import new_bucket, s3_settings, secret_options
from tests.stores.swift_server import S3Account


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Account]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Account(f"http://{host}:{port}", "key", "secret")
    server.stop()


@pytest.fixture(scope="module")
def client(moto: S3Account) -> Any:
    return s3_client(secret_options(moto.options), "")


def retention(client: Any, bucket: str, name: str) -> timedelta:
    found = client.head_object(Bucket=bucket, Key=f"backups/{name}")
    assert found["ObjectLockMode"] == "GOVERNANCE"
    until: datetime = found["ObjectLockRetainUntilDate"]
    return until - datetime.now(UTC)


def test_what_a_snapshot_needs_is_kept_for_the_days(moto: S3Account, client: Any) -> None:
    bucket = new_bucket(moto, ObjectLockEnabledForBucket=True)
    settings = s3_settings(moto, bucket, immutable_days=30)
    repository = Repository.create(settings)
    ref = repository.put_bytes(b"kept")
    first = repository.write_snapshot(manifest_of(ref))
    name = repository.stored_name(ref)
    assert timedelta(days=29) < retention(client, bucket, name) <= timedelta(days=30)
    assert timedelta(days=29) < retention(client, bucket, f"snapshots/{first}.json")

    # A later snapshot that uses it keeps it for longer; what it does not use stays as it was.
    other = repository.put_bytes(b"of the first one only")
    longer = Repository.open(settings.model_copy(update={"immutable_days": 60}))
    longer.write_snapshot(manifest_of(longer.put_bytes(b"kept"), day=1, previous=first))
    assert timedelta(days=59) < retention(client, bucket, name)
    assert retention(client, bucket, repository.stored_name(other)) < timedelta(days=31)


def test_its_own_state_is_not_kept(moto: S3Account) -> None:
    repository = Repository.create(
        s3_settings(moto, new_bucket(moto, ObjectLockEnabledForBucket=True), immutable_days=30)
    )
    with repository.lock("backup"):
        repository.write_snapshot(manifest_of(repository.put_bytes(b"kept")))
        repository.finish(repository.begin())
    with repository.lock("again"):
        pass


def test_a_bucket_without_object_lock_is_refused(moto: S3Account) -> None:
    settings = s3_settings(moto, new_bucket(moto), immutable_days=30)
    with pytest.raises(SettingsError, match="object lock"):
        Repository.create(settings)
    assert open_backend(settings).top_level() == set()


def test_doctor_asks_whether_the_lock_is_in_force(moto: S3Account, client: Any) -> None:
    bucket = new_bucket(moto, ObjectLockEnabledForBucket=True)
    settings = s3_settings(moto, bucket, immutable_days=30)
    repository = Repository.create(settings)
    said = lambda place: [one.message for one in object_lock_findings(Settings(repository=place))]  # noqa: E731
    assert said(settings) == []
    ref = repository.put_bytes(b"kept")
    now = manifest_of(ref, day=(datetime.now(UTC) - FIRST_DAY).days)
    snapshot = repository.write_snapshot(now)

    assert said(settings) == said(settings.model_copy(update={"immutable_days": None})) == []
    longer, mode = {"immutable_days": 60}, {"immutable_mode": "COMPLIANCE"}
    assert "not for the 60 days" in said(settings.model_copy(update=longer))[0]
    assert "GOVERNANCE" in said(settings.model_copy(update=mode))[0]
    # Somebody with the right to do so lifted it, for a manifest or for an object.
    for name in (f"snapshots/{snapshot}.json", repository.stored_name(ref)):
        data = client.get_object(Bucket=bucket, Key=f"backups/{name}")["Body"].read()
        client.put_object(Bucket=bucket, Key=f"backups/{name}", Body=data)
        assert "can be changed and removed" in said(settings)[-1]


def test_doctor_names_a_bucket_that_lost_its_lock(moto: S3Account) -> None:
    settings = s3_settings(moto, new_bucket(moto))
    Repository.create(settings)
    (found,) = object_lock_findings(Settings(repository=settings.model_copy(update={"immutable_days": 30})))
    assert (found.severity, "no object lock" in found.message) == ("error", True)


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}, "removes objects after 30 days"),
    "a part": ({"Prefix": "backups/objects/", "Expiration": {"Days": 9}}, "begin with backups/objects/ after 9 days"),
    "an archive": (
        {"Filter": {"Prefix": "backups"}, "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}]},
        "to GLACIER after 5 days",
    ),
    "elsewhere": ({"Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}, ""),
    "of tagged": ({"Filter": {"Tag": {"Key": "a", "Value": "b"}}, "Expiration": {"Days": 1}}, ""),
    "old versions": ({"Filter": {"Prefix": ""}, "NoncurrentVersionExpiration": {"NoncurrentDays": 1}}, ""),
    "not in force": ({"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}, "Status": "Disabled"}, ""),
}


@pytest.mark.parametrize("which", RULES)
def test_doctor_names_rules_by_which_the_bucket_removes_objects(which: str, moto: S3Account, client: Any) -> None:
    bucket = new_bucket(moto)
    rule, said = RULES[which]
    found = lambda: [one.message for one in life_cycle_findings(Settings(repository=s3_settings(moto, bucket)))]  # noqa: E731
    assert found() == []
    configuration = {"Rules": [{"ID": "tidy", "Status": "Enabled", **rule}]}
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=configuration)

    assert [said in one for one in found()] == ([True] if said else [])


def test_a_folder_cannot_be_immutable() -> None:
    with pytest.raises(SettingsError, match="immutable_days"):
        open_backend(RepositorySettings(url="/srv/backups", immutable_days=3))
    with pytest.raises(SettingsError, match="immutable_days"):
        open_backend(RepositorySettings(url="sftp://host/srv/backups", immutable_days=3))
