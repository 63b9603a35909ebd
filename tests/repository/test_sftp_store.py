"""A real OpenSSH server: who it is, who may enter, lost connections, full disks."""

from __future__ import annotations

import os
from pathlib import Path

import paramiko
import pytest
from pydantic import SecretStr

from edms_tasks.errors import EdmsBackupError, NoSpace, RepositoryForbidden, RepositoryLocked, SettingsError
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import open_backend
from edms_tasks.repository.backends.store_backend import StoreBackend
from edms_tasks.settings import RepositorySettings
from tests.stores.sftp_server import SftpServer, new_key


@pytest.fixture
def place(sftp_server: SftpServer, tmp_path: Path) -> RepositorySettings:
    return sftp_server.settings(tmp_path / "backups")


def refused(settings: RepositorySettings) -> EdmsBackupError:
    with pytest.raises(EdmsBackupError) as found:
        Repository.open(settings)
    assert found.value.fix
    return found.value


def test_a_server_whose_key_is_not_known_is_refused(sftp_server: SftpServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    error = refused(sftp_server.settings(tmp_path / "x", known_hosts=str(tmp_path / "empty")))
    assert isinstance(error, RepositoryForbidden)
    assert "not known" in str(error)
    assert sftp_server.host_key in str(error)
    with pytest.raises(SettingsError, match="no repository"):
        Repository.open(sftp_server.settings(tmp_path / "x", known_hosts="", host_key=sftp_server.host_key))


def test_a_server_that_shows_another_key_is_refused(sftp_server: SftpServer, tmp_path: Path) -> None:
    new_key(tmp_path / "other")
    other = (tmp_path / "other.pub").read_text().strip()
    error = refused(sftp_server.settings(tmp_path / "x", known_hosts="", host_key=other))
    assert isinstance(error, RepositoryForbidden)
    assert "another key" in str(error)


def test_what_an_administrator_got_wrong_is_named(sftp_server: SftpServer, tmp_path: Path) -> None:
    new_key(tmp_path / "stranger")
    folder = tmp_path / "x"
    assert "does not let this user in" in str(
        refused(sftp_server.settings(folder, key_file=str(tmp_path / "stranger")))
    )
    assert "is missing" in str(refused(sftp_server.settings(folder, key_file="/no/such/key")))
    assert "is missing" in str(refused(sftp_server.settings(folder, known_hosts="/no/such/file")))
    assert "unknown option" in str(refused(sftp_server.settings(folder, keyfile="x")))
    assert "has a password" in str(refused(RepositorySettings(url="sftp://user:secret@host/x")))
    assert "secret" not in str(refused(RepositorySettings(url="sftp://user:secret@host/x")))
    assert "must be sftp://" in str(refused(RepositorySettings(url="sftp://host")))
    assert "does not answer" in str(refused(RepositorySettings(url="sftp://127.0.0.1:9/x")))
    assert "cannot be resolved" in str(refused(RepositorySettings(url="sftp://no-such-host.invalid/x")))


def test_a_lost_connection_is_made_again(place: RepositorySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.FIRST_PAUSE", 0.01)
    repository = Repository.create(place)
    real = paramiko.SFTPFile.write
    lost = []

    def write(file: paramiko.SFTPFile, data: bytes) -> None:
        if not lost:
            lost.append(True)
            file.sftp.get_channel().get_transport().close()
        real(file, data)

    monkeypatch.setattr(paramiko.SFTPFile, "write", write)
    ref = repository.put_bytes(os.urandom(200_000))
    assert lost
    assert repository.has(ref)
    repository.check(ref)


def test_a_small_file_that_another_run_swept_is_written_again(
    place: RepositorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.FIRST_PAUSE", 0.01)
    repository = Repository.create(place)
    from edms_tasks.repository.backends.sftp_store import SftpStore

    real, swept = SftpStore.part, []

    def part(store: SftpStore, name: str, upload: str, number: int, offset: int, data: bytes) -> str:
        tag = real(store, name, upload, number, offset, data)
        if len(swept) < 2:
            swept.append(upload)
            store.remove(upload)
        return tag

    monkeypatch.setattr(SftpStore, "part", part)
    repository.backend.write("locks/reading-x.json", [b"{}"])
    swept.clear()
    assert repository.backend.create("log/1.json", b"{}")
    assert repository.backend.read("locks/reading-x.json", 10) == b"{}"


def test_a_full_disk_is_an_error_and_leaves_no_object(place: RepositorySettings, tmp_path: Path) -> None:
    """The server says only that it failed; its free space says why. A write to /dev/full fails as on a full disk."""
    repository = Repository.create(place)
    backend = repository.backend
    assert isinstance(backend, StoreBackend)
    (tmp_path / "backups" / "tmp" / "full").symlink_to("/dev/full")
    store = backend._store
    with pytest.raises(RepositoryForbidden, match="could not do it"):
        store.part("objects/aa/x", "tmp/full", 1, 0, b"x" * 100_000)


def test_a_disk_without_space_is_called_full(place: RepositorySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    from edms_tasks.repository.backends.sftp_store import SftpStore

    repository = Repository.create(place)

    def fail(file: paramiko.SFTPFile, data: bytes) -> None:
        raise OSError("Failure")

    monkeypatch.setattr(paramiko.SFTPFile, "write", fail)
    monkeypatch.setattr(SftpStore, "_free", lambda self, sftp: 4096)
    with pytest.raises(NoSpace, match="disk is full"):
        repository.put_bytes(b"x" * 1000)
    monkeypatch.undo()
    assert [name for name, _ in repository.backend.names("tmp")] == []
    repository.put_bytes(b"x" * 1000)


def test_free_space_is_what_the_server_says(place: RepositorySettings, tmp_path: Path) -> None:
    backend = Repository.create(place).backend
    store = backend._store._store  # type: ignore[attr-defined]
    with store._connection.channel() as sftp:
        free = store._free(sftp)
    found = os.statvfs(tmp_path)
    assert free == pytest.approx(found.f_bavail * found.f_frsize, rel=0.2)


def test_a_lock_is_taken_once_and_its_age_is_the_servers(place: RepositorySettings) -> None:
    first, second = Repository.create(place), Repository.open(place)
    with first.lock("nightly"):
        age = first.backend.age("locks/repository.json")
        assert age is not None
        assert -2 <= age < 60
        with pytest.raises(RepositoryLocked, match="nightly"), second.lock("mine"):
            pass


def test_folders_are_private(place: RepositorySettings, tmp_path: Path) -> None:
    Repository.create(place).put_bytes(b"personal data")
    folder = tmp_path / "backups"
    assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_in_the_users_home_may_be_named(sftp_server: SftpServer) -> None:
    settings = RepositorySettings(
        url=f"sftp://127.0.0.1:{sftp_server.port}/~/no-such-folder-of-edms-backup",
        options={name: SecretStr(value) for name, value in sftp_server.options.items()},
    )
    assert open_backend(settings).top_level() == set()
