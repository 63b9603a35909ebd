"""A repository on a server: few requests for what is there already, and a restore that proves what came back."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edms_tasks.errors import RepositoryForbidden, RepositoryUnreachable
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings, Settings
from tests.direct_access import execute
from tests.independent_comparison import differences, picture
from tests.reference_system import ReferenceEdms, ReferenceEdmsFactory
from tests.running import protect, run_backup, run_restore, run_verify
from tests.stores.faulty_proxy import FAULTS, FaultyProxy
from tests.stores.memory_store import MemoryStore
from tests.stores.s3_places import new_bucket, s3_settings
from tests.stores.sftp_server import SftpServer
from tests.stores.swift_server import S3Account
from tests.stores.watched_stores import CountedStore, wrapping

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MOST_REQUESTS = 40
"""Of a backup of 20,000 rows and 1,200 files of which little changed; the number does not depend on how many there are."""


@pytest.fixture
def edms(edms_factory: ReferenceEdmsFactory) -> ReferenceEdms:
    return edms_factory("sqlite", documents=5)


def settings_for(edms: ReferenceEdms, folder: Path, repository: RepositorySettings) -> Settings:
    settings = protect(edms, folder, extra="[validate]\ndjango_check = false").settings
    copies = {"copies": settings.repository.copies}
    return settings.model_copy(update={"repository": repository.model_copy(update=copies)})


def test_a_second_backup_asks_little_of_the_server(edms: ReferenceEdms, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    store = MemoryStore()
    settings = settings_for(edms, tmp_path, RepositorySettings(url="s3://bucket/backups"))
    with wrapping(lambda real: CountedStore(store, counts)):
        first = run_backup(settings, create_repository=True)
        counts.clear()
        second = run_backup(settings)
        unchanged = counts.total()
        assert second.objects_read == counts["read objects"] > 0  # evidence is of the repository, not of copies
        counts.clear()
        execute(edms, "UPDATE documents_documentcomment SET text = text || ' (corrected)' WHERE id % 7 = 0")
        third = run_backup(settings)
        changed = counts.total()
    assert first.verified and second.verified and third.verified
    assert third.objects_read > 0
    assert unchanged <= MOST_REQUESTS
    assert changed <= MOST_REQUESTS, counts


def only_writes(method: str, path: str) -> bool:
    """Whether the policy of docs/storage.md for a machine that only makes backups refuses a request."""
    name = urlsplit(path).path.partition("/backups/")[2]
    if not name:
        return False  # a listing
    if method == "DELETE":
        return not name.startswith(("locks/", "pending/", "tmp/"))
    state = ("config.json", "heads/", "records/", "log/", "signatures/", "locks/", "pending/", "marks/")
    return method in ("GET", "HEAD") and not name.startswith(state)


def test_credentials_that_only_write_suffice_for_backups(
    edms: ReferenceEdms, s3_account: S3Account, tmp_path: Path
) -> None:
    proxy = FaultyProxy(s3_account.endpoint, every=0)
    account = dataclasses.replace(s3_account, endpoint=proxy.address)
    settings = settings_for(edms, tmp_path, s3_settings(account, new_bucket(s3_account)))
    keys = {"write_key": tmp_path / "write-key", "identity": tmp_path / "recovery-key"}
    opens = settings.model_copy(update={"repository": settings.repository.model_copy(update=keys)})
    writes = settings.model_copy(
        update={"repository": settings.repository.model_copy(update={"write_key": keys["write_key"]})}
    )
    backend = open_backend(settings.repository)
    try:
        make_encrypted(opens.repository, "test")
        proxy.refuses = only_writes
        first = run_backup(writes)
        execute(edms, "UPDATE documents_documentcomment SET text = text || ' (corrected)' WHERE id % 7 = 0")
        objects = {name for name, _ in backend.names("objects")}
        second = run_backup(writes)
        new = {name for name, _ in backend.names("objects")} - objects
        for name in (next(iter(objects)), f"snapshots/{first.snapshot_id}.json"):
            with pytest.raises(RepositoryForbidden, match="refuses to read"):
                backend.read(name, 100)
            with pytest.raises(RepositoryForbidden, match="refuses to remove"):
                backend.remove(name)
        proxy.refuses = lambda method, path: False
        assert run_verify(opens).problems == ()
        entries = [one for one in Repository.open(opens.repository).log.check().entries if one.event == "backup"]
        assert [one.facts["verified"] for one in entries] == [False, False]
    finally:
        proxy.close()
    for made in (first, second):
        assert not made.verified
        assert made.problems == ()
        assert made.objects_read == 0
        assert made.not_read_back
        assert made.shortfall() is None
    assert second.manifest.previous == first.snapshot_id
    assert 0 < len(new) < len(first.manifest.objects())  # unchanged objects are not written again


@pytest.mark.long
def test_a_server_that_often_fails_costs_time_and_what_it_keeps_comes_back_as_it_was(
    edms: ReferenceEdms, s3_account: S3Account, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fourth request is answered 503 or 429, or its connection is lost before or after it was carried out."""
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.FIRST_PAUSE", 0.01)
    proxy = FaultyProxy(s3_account.endpoint, every=4)
    try:
        account = dataclasses.replace(s3_account, endpoint=proxy.address)
        settings = settings_for(edms, tmp_path, s3_settings(account, s3_bucket, tmp_path.name))
        made = run_backup(settings, create_repository=True)
        assert made.verified, made.problems
        assert all("NEW REPOSITORY" in note or "NOT ENCRYPTED" in note for note in made.notes), made.notes
        assert set(proxy.failed) == set(FAULTS)
        proxy.every = 0
        assert run_verify(settings).problems == ()
        # A server that is gone altogether ends the run with an error; the next one goes on.
        proxy.every, proxy.faults = 1, ("503",)
        with pytest.raises(RepositoryUnreachable):
            run_backup(settings)
        proxy.every = 0
        assert run_backup(settings).verified
        require_as_it_was(edms, settings, tmp_path)
    finally:
        proxy.close()


def test_a_backup_on_an_sftp_server_comes_back_as_it_was(
    edms: ReferenceEdms, sftp_server: SftpServer, tmp_path: Path
) -> None:
    settings = settings_for(edms, tmp_path, sftp_server.settings(tmp_path / "backups"))
    made = run_backup(settings, create_repository=True)
    assert made.verified
    require_as_it_was(edms, settings, tmp_path)


def require_as_it_was(edms: ReferenceEdms, settings: Settings, tmp_path: Path) -> None:
    """Verify, restore beside, compare."""
    assert run_verify(settings).problems == ()
    then = picture(edms)
    copy = ReferenceEdms("sqlite", f"sqlite:///{tmp_path / 'copy' / 'db.sqlite3'}", tmp_path / "copy" / "media")
    copy.media.parent.mkdir()
    result = run_restore(settings, into=str(copy.database_path), into_files=copy.media.parent)
    assert result.success, result.failures
    assert differences(then, picture(copy)) == []
