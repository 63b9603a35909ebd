"""An encrypted repository: who can read it, who can write to it, and what happens if somebody else tries."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from edms_tasks.encryption.recovery_key import new_recovery_key, recovery_key_text
from edms_tasks.errors import (
    AnotherRepository,
    CommandError,
    DamagedRepository,
    RepositorySealed,
    SettingsError,
)
from edms_tasks.repository import Repository
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.settings import RepositorySettings
from flows import keys
from tests.repository.conftest import encrypted_settings
from tests.repository.encrypted import CONTENT, files_of, settings_of, store_snapshot, without_recovery_key
from tests.repository.samples import Store

# -- nothing is readable ------------------------------------------------------------------------------------------


def test_no_file_of_the_repository_shows_content_names_or_hashes(place: RepositorySettings) -> None:
    snapshot_id, ref = store_snapshot(place, module="secret_project.settings")

    for name, data in files_of(place).items():
        assert b"confidential" not in data, name
        assert b"secret_project" not in data, name
        assert ref.sha256 not in name, name
        assert ref.sha256.encode() not in data, name
    assert Repository.open(place).read(ref) == CONTENT
    assert Repository.open(place).read_manifest(snapshot_id).edms.settings_module == "secret_project.settings"


def test_two_repositories_store_the_same_content_under_different_names(tmp_path: Path) -> None:
    names = set()
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        settings = encrypted_settings(tmp_path / str(number))
        make_encrypted(settings, "plant")
        names.add(Repository.open(settings).stored_name(store_snapshot(settings)[1]))
    assert len(names) == 2


# -- a machine that only writes -----------------------------------------------------------------------------------


def test_a_machine_without_the_recovery_key_backs_up_and_reads_back_what_it_wrote(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    repository = Repository.open(sealed)
    ref = repository.put_bytes(CONTENT)

    assert repository.read(ref) == CONTENT  # in the run that wrote it
    with pytest.raises(RepositorySealed):
        Repository.open(sealed).read(ref)  # in any other
    assert Repository.open(place).read(ref) == CONTENT


def test_without_the_recovery_key_damage_to_what_was_just_written_is_found(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    repository = Repository.open(sealed)
    ref = repository.put_bytes(CONTENT)
    store = Store(place)
    store.flip(store.path_of(ref), 700)

    with pytest.raises(DamagedRepository, match="altered"):
        repository.read(ref)


def test_without_the_recovery_key_the_previous_manifest_comes_from_a_copy(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    snapshot_id, _ = store_snapshot(sealed)
    assert set(Repository.open(sealed).survey().intact) == {snapshot_id}

    assert place.copies is not None
    shutil.rmtree(place.copies)

    found = Repository.open(sealed).survey()
    assert not found.intact
    assert set(found.sealed) == {snapshot_id}
    assert found.order == (snapshot_id,)
    with pytest.raises(RepositorySealed):
        Repository.open(sealed).read_manifest(snapshot_id)


def test_without_the_recovery_key_a_manifest_that_was_altered_is_damaged(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    snapshot_id, _ = store_snapshot(sealed)
    assert set(Repository.open(sealed).survey().intact) == {snapshot_id}
    store = Store(place)
    store.flip(store.path_of_snapshot(snapshot_id), 600)
    assert Repository.open(sealed).survey().damaged == (snapshot_id,)
    with pytest.raises(DamagedRepository):
        Repository.open(sealed).read_manifest(snapshot_id)


def test_copies_on_this_machine_are_private_whatever_the_umask(place: RepositorySettings) -> None:
    before = os.umask(0)
    try:
        store_snapshot(place)
    finally:
        os.umask(before)
    assert place.copies is not None
    found = [place.copies, *place.copies.rglob("*")]
    assert len(found) > 2
    assert [path for path in found if path.stat().st_mode & 0o077] == []


def test_a_copy_that_was_altered_is_not_used(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    snapshot_id, _ = store_snapshot(sealed)
    assert place.copies is not None
    (copy,) = place.copies.rglob(f"{snapshot_id}.json")
    copy.write_bytes(copy.read_bytes().replace(b"config.settings", b"other.settings_"))

    assert set(Repository.open(sealed).survey().sealed) == {snapshot_id}


def test_what_a_killed_run_left_is_written_again_where_it_cannot_be_read(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    killed = Repository.open(sealed)
    killed.begin()
    ref = killed.put_bytes(CONTENT)

    repository = Repository.open(sealed)
    repository.put_bytes(CONTENT)

    assert repository.read(ref) == CONTENT  # it cannot tell whether the killed run's object is right


def test_objects_of_the_previous_snapshot_are_not_written_again(place: RepositorySettings) -> None:
    sealed = without_recovery_key(place)
    _, ref = store_snapshot(sealed)
    before = files_of(place)

    repository = Repository.open(sealed)
    repository.trust({ref.sha256})
    repository.put_bytes(CONTENT)

    assert files_of(place) == before


def test_without_any_key_the_repository_says_what_is_missing(place: RepositorySettings) -> None:
    with pytest.raises(RepositorySealed, match="no key for it"):
        Repository.open(RepositorySettings(url=place.url))


def test_a_machine_with_the_recovery_key_alone_reads_and_adds_nothing(place: RepositorySettings) -> None:
    snapshot_id, ref = store_snapshot(place)
    reader = Repository.open(place.model_copy(update={"write_key": None}))

    assert reader.read(ref) == CONTENT
    assert set(reader.survey().intact) == {snapshot_id}
    with pytest.raises(RepositorySealed, match="no write key"):
        reader.begin()


# -- somebody else ------------------------------------------------------------------------------------------------


def test_a_snapshot_that_another_encrypted_to_the_public_key_is_not_trusted(
    place: RepositorySettings, tmp_path: Path
) -> None:
    genuine, _ = store_snapshot(place, day=1)
    stranger = place.model_copy(update={"write_key": tmp_path / "strangers-key"})
    assert place.write_key is not None
    key = json.loads(place.write_key.read_text())
    key["signing_key"] = "7" * 64  # who can write to the storage knows the recipient; say even the key of names
    (tmp_path / "strangers-key").write_text(json.dumps(key))
    forged, _ = store_snapshot(without_recovery_key(stranger), b"forged", day=2, previous=genuine)

    found = Repository.open(place).survey()

    assert set(found.intact) == {genuine}
    assert found.damaged == (forged,)
    assert "none of those this repository knows" in found.untrusted[forged]
    with pytest.raises(DamagedRepository, match="not to be trusted"):
        Repository.open(place).read_manifest(forged)


@pytest.mark.parametrize("how", ["removed", "altered", "of another snapshot"])
def test_a_snapshot_without_its_own_signature_is_not_trusted(place: RepositorySettings, how: str) -> None:
    first, _ = store_snapshot(place, day=1)
    second, _ = store_snapshot(place, b"second", day=2, previous=first)
    signatures = Path(place.url) / "signatures"
    path = signatures / f"{second}.json"
    if how == "removed":
        path.unlink()
    elif how == "altered":
        path.write_text(
            path.read_text().replace('"number":null', '"number":7').replace('"number": null', '"number": 7')
        )
    else:
        path.write_bytes((signatures / f"{first}.json").read_bytes())

    found = Repository.open(place).survey()

    assert set(found.intact) == {first}
    assert set(found.untrusted) == {second}


def test_another_recipient_in_the_config_is_refused(place: RepositorySettings) -> None:
    path = Path(place.url) / "config.json"
    config = json.loads(path.read_text())
    config["encryption"]["recipient"] = new_recovery_key().recipient
    path.write_text(json.dumps(config))

    with pytest.raises(DamagedRepository, match="not its own"):
        Repository.open(place)


def test_a_machine_that_only_writes_encrypts_to_its_own_recipient_whatever_the_config_says(
    place: RepositorySettings,
) -> None:
    path = Path(place.url) / "config.json"
    genuine = path.read_bytes()
    config = json.loads(genuine)
    config["encryption"]["recipient"] = new_recovery_key().recipient
    path.write_text(json.dumps(config))

    repository = Repository.open(without_recovery_key(place))
    ref = repository.put_bytes(CONTENT)

    assert "config.json was altered" in repository.keys.note
    with pytest.raises(RepositorySealed, match="earlier key"):
        repository.begin()
    path.write_bytes(genuine)
    assert Repository.open(place).read(ref) == CONTENT


def test_a_repository_that_no_longer_says_it_is_encrypted_is_refused(place: RepositorySettings) -> None:
    path = Path(place.url) / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in config.items() if name not in ("encryption", "signed")}))

    for settings in (place, without_recovery_key(place), place.model_copy(update={"write_key": None})):
        with pytest.raises(AnotherRepository, match="not encrypted"):
            Repository.open(settings)


def test_another_repository_in_its_place_is_refused(place: RepositorySettings, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = encrypted_settings(tmp_path / "other")
    make_encrypted(other, "stranger")
    shutil.rmtree(place.url)
    shutil.copytree(other.url, place.url)

    with pytest.raises(AnotherRepository, match="another repository"):
        Repository.open(place)

    # Even with the same id, and its secret encrypted to the public key of the one who reads.
    config = Path(place.url) / "config.json"
    assert place.write_key is not None
    config.write_text(
        json.dumps(json.loads(config.read_text()) | {"id": json.loads(place.write_key.read_text())["repository"]})
    )
    with pytest.raises(RepositorySealed):
        Repository.open(place.model_copy(update={"write_key": None}))
    with pytest.raises(RepositorySealed, match="earlier key"):
        Repository.open(place).begin()


def test_a_recovery_key_of_another_repository_does_not_open_this_one(place: RepositorySettings, tmp_path: Path) -> None:
    (tmp_path / "stranger").write_text(recovery_key_text(new_recovery_key()))

    with pytest.raises(RepositorySealed, match="does not open") as raised:
        Repository.open(place.model_copy(update={"identity": tmp_path / "stranger", "write_key": None}))

    assert "recovery (age1" in raised.value.why


@pytest.mark.parametrize("name", ["objects", "snapshots"])
def test_every_flipped_bit_of_a_stored_file_is_found(place: RepositorySettings, name: str) -> None:
    snapshot_id, ref = store_snapshot(place, b"small")
    (path,) = (path for path in (Path(place.url) / name).rglob("*") if path.is_file())
    whole = path.read_bytes()
    repository = Repository.open(place)
    missed = []
    for position in range(len(whole) * 8):
        altered = bytearray(whole)
        altered[position // 8] ^= 1 << position % 8
        path.write_bytes(altered)
        try:
            if name == "objects":
                repository.read(ref)
            else:
                repository.read_manifest(snapshot_id)
            missed.append(position)
        except DamagedRepository:
            pass
        if name == "snapshots" and position > 4000:
            break  # the rest is alike, and a manifest is long
    assert not missed


def test_nothing_is_overwritten_by_a_new_key(place: RepositorySettings, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("the only copy")
    with pytest.raises(CommandError, match="file exists"):
        keys.make_recovery_key(tmp_path / "there")
    with pytest.raises(CommandError, match="file exists"):
        keys.make_write_key(settings_of(place), tmp_path / "there", "plant-2")
    with pytest.raises(SettingsError, match="write key exists"):
        make_encrypted(place.model_copy(update={"url": str(tmp_path / "new")}), "plant-1")
    assert (tmp_path / "there").read_text() == "the only copy"


def test_keys_are_readable_by_their_owner_only(place: RepositorySettings, tmp_path: Path) -> None:
    keys.make_recovery_key(tmp_path / "office")
    for path in (place.write_key, place.identity, tmp_path / "office"):
        assert path is not None
        assert os.stat(path).st_mode & 0o077 == 0  # noqa: PTH116


def test_an_unencrypted_repository_is_not_made_where_the_settings_have_keys(
    place: RepositorySettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="name keys"):
        Repository.create(place.model_copy(update={"url": str(tmp_path / "elsewhere")}))
    assert not (tmp_path / "elsewhere").exists()
