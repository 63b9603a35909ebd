"""What erasures say is encrypted to another key: each record is read once, and nothing else goes with those that are replaced."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from edms_tasks.repository import Repository
from edms_tasks.repository.records import StoredRecords
from edms_tasks.settings import RepositorySettings
from flows import keys
from tests.repository.encrypted import settings_of


def erase(repository: Repository, who: str) -> str:
    body = base64.b64encode(b"".join(repository.keys.codec.encode([who.encode()]))).decode()
    return repository.records.write("erasure", by="Ann", reason="request", body=body)


def erased(repository: Repository) -> dict[str, bytes]:
    """Id of an erasure -> what it says."""
    found: dict[str, bytes] = {}
    for name, record in repository.records.read().erasures.items():
        pieces: list[bytes] = []
        repository.keys.codec.decode(iter([base64.b64decode(record.body)]), pieces.append)
        found[name] = b"".join(pieces)
    return found


def test_each_record_is_read_once_however_many_there_are(
    place: RepositorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.open(place)
    said = {erase(repository, f"user{number}"): f"user{number}".encode() for number in range(20)}
    read: list[str] = []
    fetched = StoredRecords._fetched

    def counted(self: StoredRecords, name: str) -> bytes:
        read.append(name)
        return fetched(self, name)

    monkeypatch.setattr(StoredRecords, "_fetched", counted)
    repository.records.encrypt_again(repository.keys.codec)
    number = len(read)
    monkeypatch.undo()

    assert number == len(said)
    records = repository.records.read()
    assert (erased(repository), records.missing, records.unreadable) == (said, (), ())
    assert len(records.last) == 1, "the next record follows all of them"
    assert len(list(repository.backend.names("records"))) == len(said)


def test_what_a_revoked_machine_recorded_goes_on_counting_after_its_erasures_were_encrypted_again(
    place: RepositorySettings, tmp_path: Path
) -> None:
    keys.make_write_key(settings_of(place), tmp_path / "plant-2", "plant-2")
    other = Repository.open(place.model_copy(update={"write_key": tmp_path / "plant-2"}))
    name = erase(other, "ann")
    tag = other.records.write("tag", tag="audited")
    keys.revoke_machine(settings_of(place), "plant-2")

    keys.rotate_key(settings_of(place), reencrypt=True)

    repository = Repository.open(place)
    records = repository.records.read()
    assert erased(repository) == {name: b"ann"}
    assert (tag in records.by_id, records.unreadable, records.missing) == (True, (), ())
