"""Files of keys that are wrong or hostile: what is wrong is named, and nothing secret is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edms_tasks.encryption.recovery_key import read_recovery_key
from edms_tasks.encryption.repository_secret import new_secret
from edms_tasks.errors import (
    DamagedRepository,
    SettingsError,
)
from edms_tasks.repository import Repository
from edms_tasks.repository.encrypted_repository import make_encrypted
from edms_tasks.repository.key_holders import holder_with_key
from edms_tasks.settings import RepositorySettings
from tests.repository.conftest import encrypted_settings
from tests.repository.encrypted import CONTENT, store_snapshot


@pytest.fixture
def place(tmp_path: Path) -> RepositorySettings:
    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "plant-1")
    return settings


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
