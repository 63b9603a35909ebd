"""An encrypted repository: who can read it, who can write to it, and what happens if somebody else tries."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydantic import SecretStr

from edms_tasks.encryption.recovery_key import new_recovery_key, read_recovery_key, recovery_key_text
from edms_tasks.encryption.repository_secret import new_secret
from edms_tasks.errors import (
    AnotherRepository,
    CommandError,
    DamagedRepository,
    RepositorySealed,
    RepositoryUnreachable,
    SettingsError,
)
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import Backend, LocalBackend, open_backend
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.repository.key_holders import holder_with_key
from edms_tasks.settings import RepositorySettings, Settings
from flows import keys
from tests.repository.conftest import encrypted_settings
from tests.repository.samples import Store, manifest_of

CONTENT = b"Batch record 4711, confidential" * 1000


@pytest.fixture
def place(tmp_path: Path) -> RepositorySettings:
    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "plant-1")
    return settings


def store_snapshot(settings: RepositorySettings, content: bytes = CONTENT, **facts: object) -> tuple[str, ObjectRef]:
    repository = Repository.open(settings)
    with repository.lock("backup"):
        run = repository.begin()
        ref = repository.put_bytes(content)
        snapshot_id = repository.write_snapshot(manifest_of(ref, **facts))  # type: ignore[arg-type]
        repository.finish(run)
    return snapshot_id, ref


def without_recovery_key(settings: RepositorySettings) -> RepositorySettings:
    """The same machine after its recovery key was carried away."""
    assert settings.identity is not None
    return settings.model_copy(update={"identity": settings.identity.with_name("carried-away")})


def files_of(settings: RepositorySettings) -> dict[str, bytes]:
    folder = Path(settings.url)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
        Repository.open(place)


def test_a_recovery_key_of_another_repository_does_not_open_this_one(place: RepositorySettings, tmp_path: Path) -> None:
    (tmp_path / "stranger").write_text(recovery_key_text(new_recovery_key()))

    with pytest.raises(RepositorySealed, match="does not open") as raised:
        Repository.open(place.model_copy(update={"identity": tmp_path / "stranger"}))

    assert "recovery (age1" in raised.value.why


@pytest.mark.parametrize("text", ["", "AGE-SECRET-KEY-1QQQ", "# only comments\n", "-----BEGIN RSA PRIVATE KEY-----\n"])
def test_a_file_that_is_no_recovery_key_is_named(place: RepositorySettings, tmp_path: Path, text: str) -> None:
    (tmp_path / "wrong").write_text(text)
    with pytest.raises(SettingsError, match="not a recovery key"):
        Repository.open(place.model_copy(update={"identity": tmp_path / "wrong"}))


def test_a_damaged_write_key_is_named_and_not_shown(place: RepositorySettings, tmp_path: Path) -> None:
    assert place.write_key is not None
    key = json.loads(place.write_key.read_text())
    key["signing_key"] = "feedface"
    (tmp_path / "wrong").write_text(json.dumps(key))
    with pytest.raises(SettingsError, match="signing_key") as raised:
        Repository.open(place.model_copy(update={"write_key": tmp_path / "wrong"}))
    assert "feedface" not in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recipient", "age1zzz"),
        ("recipient", None),
        ("names", "00"),
        ("names", None),
        ("signing_key", "Z" * 64),
        ("created", "x"),
    ],
)
def test_a_write_key_with_a_wrong_value_is_refused(
    place: RepositorySettings, tmp_path: Path, key: str, value: str | None
) -> None:
    assert place.write_key is not None
    (tmp_path / "wrong").write_text(json.dumps(json.loads(place.write_key.read_text()) | {key: value}))
    with pytest.raises(SettingsError, match="not a write key"):
        Repository.open(place.model_copy(update={"write_key": tmp_path / "wrong"}))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[1]", b"\xff\xfe", b'{"name": "../../x"}', b"x" * 100_000, b'{"name": "recovery", "kind": "key"}'],
)
def test_a_hostile_file_among_the_keys_hides_no_holder(place: RepositorySettings, data: bytes) -> None:
    (Path(place.url) / "keys" / "hostile.json").write_bytes(data)
    found = Repository.open(place).keyring.holders()
    assert [holder.name for holder in found.holders] == ["recovery"]
    assert found.unreadable == ("keys/hostile.json",)


def test_a_secret_that_somebody_else_encrypted_to_the_holder_is_not_used(place: RepositorySettings) -> None:
    _, ref = store_snapshot(place)
    secret = Repository.open(place).keys.secret
    assert secret is not None and place.identity is not None
    recovery = read_recovery_key(place.identity)
    assert recovery is not None
    forged = holder_with_key(new_secret(secret.repository), "aaa", recovery.keys[0].recipient)
    (Path(place.url) / "keys" / "aaa.json").write_text(forged.model_dump_json())
    with pytest.raises(DamagedRepository, match="not its own"):
        Repository.open(place)
    (Path(place.url) / "keys" / "aaa.json").unlink()
    assert Repository.open(place).read(ref) == CONTENT


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


# -- holders, passphrases, machines, rotation ---------------------------------------------------------------------


def settings_of(place: RepositorySettings) -> Settings:
    return Settings(repository=place)


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
    assert set(after) - set(before) == {"keys/office.json", "log/000000000001.json"}
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
    with pytest.raises(CommandError, match="Not every holder"):
        keys.rotate_key(settings_of(place), reencrypt=True)
    assert Repository.open(place).read(ref) == CONTENT


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


@pytest.mark.parametrize("is_written", [False, True])
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
            except RepositoryUnreachable:
                pass
        for identity in ("recovery-key", "office-key"):
            holder = Repository.open(there.model_copy(update={"identity": folder / identity}))
            assert holder.read(ref) == CONTENT, (number, identity)
            assert set(holder.survey(fresh=True).intact) == {snapshot_id}, (number, identity)
        store_snapshot(without_recovery_key(there), b"goes on", day=2, previous=snapshot_id)
        assert keys.rotate_key(settings_of(there), reencrypt=True).objects == 2
        assert Repository.open(there).log.check().problems == ()
        if number > _Failing.writes:
            break
    assert number > 6  # secrets of two holders before and after, config, an object and a manifest


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
