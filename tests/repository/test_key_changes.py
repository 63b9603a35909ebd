"""The keys of an encrypted repository change: holders, passphrases, write keys, rotations."""

from __future__ import annotations

import base64
import itertools
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pyrage
import pytest
from pydantic import SecretStr

from edms_tasks.encryption import key_file
from edms_tasks.encryption.recovery_key import new_recovery_key
from edms_tasks.erasure.ledger import Erased, Erasure, read_ledger, record_erasure
from edms_tasks.errors import (
    CommandError,
    DamagedRepository,
    EvidenceNotWritten,
    RepositorySealed,
    RepositoryUnreachable,
    SettingsError,
)
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import Backend, LocalBackend, open_backend
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings
from flows import keys
from tests.repository.conftest import encrypted_settings
from tests.repository.encrypted import CONTENT, files_of, settings_of, store_snapshot, without_recovery_key


def test_another_holder_opens_it_without_a_byte_of_the_backups_written_anew(
    place: RepositorySettings, tmp_path: Path
) -> None:
    _, ref = store_snapshot(place)
    before = {name: data for name, data in files_of(place).items() if not name.startswith("locks")}
    recipient = keys.make_recovery_key(tmp_path / "office-key")

    keys.add_holder(settings_of(place), "office", recipient=recipient, passphrase=None)

    office = RepositorySettings(url=place.url, identity=tmp_path / "office-key")
    assert Repository.open(office).read(ref) == CONTENT
    after = {name: data for name, data in files_of(place).items() if not name.startswith("locks")}
    new = {name for name in set(after) - set(before) if not name.startswith("reports/")}
    assert new == {"keys/office.json", "log/000000000001.json"}
    assert before.items() <= after.items()
    with pytest.raises(CommandError, match="holder of that name"):
        keys.add_holder(settings_of(place), "office", recipient=recipient, passphrase=None)
    assert keys.remove_holder(settings_of(place), "office") == ("recovery",)
    with pytest.raises(RepositorySealed):
        Repository.open(office)
    with pytest.raises(CommandError, match="last holder"):
        keys.remove_holder(settings_of(place), "recovery")


def test_a_passphrase_opens_it_and_a_wrong_one_does_not(place: RepositorySettings) -> None:
    _, ref = store_snapshot(place)
    phrase = SecretStr(keys.new_passphrase())
    keys.add_holder(settings_of(place), "emergency", recipient=None, passphrase=phrase)

    assert Repository.open(RepositorySettings(url=place.url, passphrase=phrase)).read(ref) == CONTENT
    with pytest.raises(RepositorySealed, match="passphrase does not open"):
        Repository.open(RepositorySettings(url=place.url, passphrase=SecretStr("guess")))
    before = {name: data for name, data in files_of(place).items() if not name.startswith("locks")}
    with pytest.raises(CommandError, match="Not every holder"):
        keys.rotate_key(settings_of(place), reencrypt=True)
    assert Repository.open(place).read(ref) == CONTENT
    assert {name: data for name, data in files_of(place).items() if not name.startswith("locks")} == before


def test_a_rotation_that_cannot_store_the_write_key_changes_nothing(place: RepositorySettings) -> None:
    store_snapshot(place)
    before = {name: data for name, data in files_of(place).items() if not name.startswith("locks")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_file, "write_durably", _refuse)
        with pytest.raises(CommandError, match="file of a key cannot be written"):
            keys.rotate_key(settings_of(place), reencrypt=False)
    assert {name: data for name, data in files_of(place).items() if not name.startswith("locks")} == before


def _refuse(path: Path, text: str) -> None:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.parametrize("name", ["../x", "", "a/b", "-x", "x" * 65, "é"])
def test_a_holder_has_a_name_that_is_a_file_name(place: RepositorySettings, name: str) -> None:
    recipient = new_recovery_key().recipient
    with pytest.raises(CommandError, match="cannot be the name"):
        keys.add_holder(settings_of(place), name, recipient=recipient, passphrase=None)


@pytest.mark.parametrize("recipient", ["age1", "ssh-ed25519 AAAA", "age1" + "q" * 58])
def test_a_wrong_public_key_is_refused(place: RepositorySettings, recipient: str) -> None:
    with pytest.raises(SettingsError, match="not a public key"):
        keys.add_holder(settings_of(place), "office", recipient=recipient, passphrase=None)


def test_another_machine_gets_a_write_key_whose_backups_count(place: RepositorySettings, tmp_path: Path) -> None:
    keys.make_write_key(settings_of(place), tmp_path / "second", "plant-2")
    second = RepositorySettings(url=place.url, write_key=tmp_path / "second", copies=tmp_path / "copies-2")

    snapshot_id, ref = store_snapshot(second)

    assert set(Repository.open(place).survey().intact) == {snapshot_id}
    assert Repository.open(place).read(ref) == CONTENT
    listed = keys.list_keys(settings_of(place)).as_json()
    assert {one["machine"] for one in listed["machines"]} == {"plant-1", "plant-2"}
    assert place.copies is not None
    shutil.rmtree(place.copies)
    # The first machine alone can neither read it, nor tell whether the signature counts.
    found = Repository.open(without_recovery_key(place)).survey()
    assert (set(found.sealed), found.damaged) == ({snapshot_id}, ())


def test_after_a_rotation_old_and_new_are_readable_and_the_write_key_goes_on(place: RepositorySettings) -> None:
    first, before = store_snapshot(place, day=1)
    old = Repository.open(place).keyring.recipient

    done = keys.rotate_key(settings_of(place), reencrypt=False)
    second, after = store_snapshot(without_recovery_key(place), b"after", day=2, previous=first)

    repository = Repository.open(place)
    assert done.recipient == repository.keyring.recipient != old
    assert set(repository.survey().intact) == {first, second}
    assert (repository.read(before), repository.read(after)) == (CONTENT, b"after")
    assert not repository.keys.note


def test_after_everything_was_encrypted_anew_the_earlier_secret_opens_nothing(
    place: RepositorySettings, tmp_path: Path
) -> None:
    snapshot_id, ref = store_snapshot(place)
    stolen = Repository.open(place).keys.secret
    assert stolen is not None

    done = keys.rotate_key(settings_of(place), reencrypt=True)

    assert (done.objects, done.forgotten) == (1, 1)
    repository = Repository.open(place)
    assert repository.read(ref) == CONTENT
    assert set(repository.survey().intact) == {snapshot_id}
    (tmp_path / "stolen").write_text(stolen.as_text())
    from tests.repository.age_by_hand import decrypt

    for name, data in files_of(place).items():
        if name.startswith(("objects/", "snapshots/")):
            with pytest.raises(AssertionError, match="None of the secrets"):
                decrypt(data, [key.secret.get_secret_value() for key in stolen.keys])


ERASED = Erased(edms="ours", table="users", label="users.User", row={"name": "Berta"}, columns={"email": "email"})


def ledger_of(place: RepositorySettings) -> tuple[Erasure, ...]:
    found = read_ledger(Repository.open(place), settings_of(place).workdir, ["ours"])
    assert (found.doubts, found.lost) == ((), ())
    return found.erasures


def test_after_everything_was_encrypted_anew_the_ledger_of_erasures_is_what_it_was_and_the_earlier_secret_opens_none(
    place: RepositorySettings,
) -> None:
    store_snapshot(place)
    workdir = settings_of(place).workdir
    for reason in ("request 1", "request 2"):
        record_erasure(Repository.open(place), workdir, ERASED, reason=reason, by="Ann")
    before = ledger_of(place)
    withdrawn = Erased(edms="ours", table="", label="", row={}, withdraws=before[0].id)
    record_erasure(Repository.open(place), workdir, withdrawn, reason="a slip", by="Ann")
    stolen = Repository.open(place).keys.secret
    assert stolen is not None

    for _ in range(2):
        keys.rotate_key(settings_of(place), reencrypt=True)
        assert ledger_of(place) == before
        ledger = read_ledger(Repository.open(place), workdir, ["ours"])
        assert ledger.withdrawn == {before[0].id}
        bodies = [one.body for one in Repository.open(place).records.read().by_id.values() if one.body]
        assert len(bodies) == 3, "the earlier records are gone"
        for body in bodies:
            from tests.repository.age_by_hand import decrypt

            with pytest.raises(AssertionError, match="None of the secrets"):
                decrypt(base64.b64decode(body), [key.secret.get_secret_value() for key in stolen.keys])
    assert Repository.open(place).survey().doubt() == ""


def test_a_ledger_that_cannot_be_written_anew_stops_a_rotation_before_anything_is_changed(
    place: RepositorySettings,
) -> None:
    store_snapshot(place)
    record_erasure(Repository.open(place), settings_of(place).workdir, ERASED, reason="request 1", by="Ann")
    before = files_of(place)
    with pytest.raises(CommandError, match="ledger"):
        keys.rotate_key(settings_of(place.model_copy(update={"write_key": None})), reencrypt=True)
    after = files_of(place)
    assert {name: data for name, data in before.items() if not name.startswith(("locks", "log"))} == {
        name: data for name, data in after.items() if not name.startswith(("locks", "log"))
    }


class _Failing(LocalBackend):
    """A folder whose n-th write fails, with or without the bytes being there."""

    left, is_written, writes = 0, False, 0

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        type(self).writes += 1
        type(self).left -= 1
        if self.left != 0 or self.is_written:
            super().write(name, blocks)
        if self.left == 0:
            raise RepositoryUnreachable("The repository does not answer.")


@pytest.mark.parametrize("is_written", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_rotation_that_fails_at_any_write_leaves_everything_readable_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    first = tmp_path / "0"
    first.mkdir()
    place = encrypted_settings(first)
    make_encrypted(place, "plant-1")
    office = keys.make_recovery_key(first / "office-key")
    keys.add_holder(settings_of(place), "office", recipient=office, passphrase=None)
    snapshot_id, ref = store_snapshot(place)
    record_erasure(Repository.open(place), settings_of(place).workdir, ERASED, reason="request 1", by="Ann")
    ledger = ledger_of(place)

    def failing(settings: RepositorySettings) -> Backend:
        real = open_backend(settings)
        assert isinstance(real, LocalBackend)
        return _Failing(real._fs, settings.url, settings.url)

    for number in itertools.count(1):
        folder = tmp_path / str(number)
        shutil.copytree(first, folder)
        there = encrypted_settings(folder)
        _Failing.left, _Failing.is_written, _Failing.writes = number, is_written, 0
        with monkeypatch.context() as patch:
            patch.setattr("edms_tasks.repository.store.open_backend", failing)
            try:
                keys.rotate_key(settings_of(there), reencrypt=True)
            except (RepositoryUnreachable, EvidenceNotWritten):
                pass
        for identity in ("recovery-key", "office-key"):
            holder = Repository.open(there.model_copy(update={"identity": folder / identity}))
            assert holder.read(ref) == CONTENT, (number, identity)
            assert set(holder.survey(fresh=True).intact) == {snapshot_id}, (number, identity)
            opened = there.model_copy(update={"identity": folder / identity})
            assert ledger_of(opened) == ledger, (number, identity)
        store_snapshot(there, b"goes on", day=2, previous=snapshot_id)
        assert keys.rotate_key(settings_of(there), reencrypt=True).objects == 2
        store_snapshot(without_recovery_key(there), b"goes on without the recovery key", day=3, previous=snapshot_id)
        assert Repository.open(there).log.check().problems == ()
        assert ledger_of(there) == ledger
        if number > _Failing.writes:
            break
    assert number > 6  # secrets of two holders before and after, config, an object and a manifest


def test_a_machine_with_the_write_key_of_before_a_rotation_makes_no_backup_and_overwrites_nothing(
    place: RepositorySettings, tmp_path: Path
) -> None:
    snapshot_id, ref = store_snapshot(place)
    keys.make_write_key(settings_of(place), tmp_path / "second", "plant-2")
    second = RepositorySettings(url=place.url, write_key=tmp_path / "second", copies=tmp_path / "copies-2")
    between = Repository.open(second)  # opened before the rotation, and at work after it
    keys.rotate_key(settings_of(place), reencrypt=True)
    before = files_of(place)

    for machine in (between, Repository.open(second)):
        with pytest.raises(RepositorySealed, match="earlier key"):
            machine.begin()

    assert {name: data for name, data in files_of(place).items() if not name.startswith("locks")} == {
        name: data for name, data in before.items() if not name.startswith("locks")
    }
    assert Repository.open(place).read(ref) == CONTENT
    assert set(Repository.open(place).survey().intact) == {snapshot_id}


def test_a_recovery_key_that_opens_nothing_any_more_stops_no_backup(place: RepositorySettings, tmp_path: Path) -> None:
    office = keys.make_recovery_key(tmp_path / "office")
    keys.add_holder(settings_of(place), "office", recipient=office, passphrase=None)
    elsewhere = place.model_copy(update={"identity": tmp_path / "office", "write_key": None})
    store_snapshot(place)
    keys.remove_holder(settings_of(place), "recovery")

    snapshot_id, ref = store_snapshot(place, b"goes on", day=2)

    assert Repository.open(elsewhere).read(ref) == b"goes on"
    assert "does not open" in Repository.open(place).keys.note
    with pytest.raises(RepositorySealed, match="does not open"):
        Repository.open(place).read(ref)
    assert snapshot_id in Repository.open(elsewhere).survey().intact


@pytest.mark.long
def test_a_machine_that_seems_too_slow_for_the_passphrase_is_not_told_that_it_is_wrong(
    place: RepositorySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library measures how fast the machine is, and refuses what would take long: a busy one seems sixteen times slower."""
    phrase = SecretStr(keys.new_passphrase())
    keys.add_holder(settings_of(place), "emergency", recipient=None, passphrase=phrase)
    with_phrase = RepositorySettings(url=place.url, passphrase=phrase)
    decrypt, seemed = pyrage.passphrase.decrypt, iter([True, True, False, *[True] * 9])

    def measured(data: bytes, text: str) -> bytes:
        hard = re.sub(rb"(-> scrypt \S+) \d+", rb"\1 40", base64.b64decode(b"".join(data.splitlines()[1:-1])))
        return bytes(decrypt(hard if next(seemed) else data, text))

    monkeypatch.setattr(pyrage.passphrase, "decrypt", measured)

    assert Repository.open(with_phrase).keys.holder == "emergency"
    with pytest.raises(RepositorySealed, match="too slow, or too busy"):
        Repository.open(with_phrase)


@pytest.mark.parametrize("damage", ["gone", "junk"])
def test_damaged_keys_are_said_and_a_copy_of_them_is_kept(place: RepositorySettings, damage: str) -> None:
    store_snapshot(place)
    keyring = Repository.open(place).keyring
    assert place.copies is not None
    assert keyring.problem(place.copies / "keys", keep=True) == ""
    path = Path(place.url) / "keys" / "recovery.json"
    whole = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(b"junk")
    said = Repository.open(place).keyring.problem(place.copies / "keys", keep=True)
    assert "keys/" in said and str(place.copies / "keys") in said
    with pytest.raises(DamagedRepository, match="keys of the repository are gone"):
        Repository.open(place.model_copy(update={"write_key": None}))
    path.write_bytes((place.copies / "keys" / "recovery.json").read_bytes())
    assert Repository.open(place).keyring.problem() == ""
    assert Repository.open(place).is_readable
    assert json.loads(whole) == json.loads(path.read_bytes())


def test_a_holders_file_that_somebody_replaced_takes_no_good_copy_with_it(
    place: RepositorySettings, tmp_path: Path
) -> None:
    keys.add_holder(
        settings_of(place), "office", recipient=keys.make_recovery_key(tmp_path / "office"), passphrase=None
    )
    copies, path = tmp_path / "kept", Path(place.url) / "keys" / "recovery.json"
    Repository.open(place).keyring.problem(copies, keep=True)
    whole = path.read_bytes()
    forged = json.loads(whole) | {"secret": json.loads((path.parent / "office.json").read_bytes())["secret"]}
    path.write_text(json.dumps(forged), encoding="utf-8")

    machine = Repository.open(without_recovery_key(place))  # which cannot tell
    for _ in range(2):
        machine.keyring.problem(copies, keep=True)

    assert json.loads(whole) in [json.loads(one.read_bytes()) for one in copies.iterdir()]
    assert len(list(copies.iterdir())) == 3
