"""docs/format.md is enough for an encrypted snapshot too: with age's own program, or a reader that shares no code with ours."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edms_tasks.repository.encrypted_repository import make_encrypted
from tests.plain_snapshot_reader import PlainRepository, proof
from tests.reference_system import ReferenceEdmsFactory
from tests.repository.age_by_hand import decrypt
from tests.repository.conftest import encrypted_settings
from tests.running import encrypt, protect

Json = dict[str, object]
Opener = Callable[[bytes, Path], bytes]


class EncryptedByHand(PlainRepository):
    """§11: a repository's folder, opened with a recovery key."""

    def __init__(self, folder: Path, recovery_key: Path, scratch: Path, opener: Opener) -> None:
        super().__init__(folder)
        self._open, self._secret = opener, scratch / "secret.txt"
        holder = json.loads((folder / "keys" / "recovery.json").read_bytes())
        self._secret.write_bytes(opener(holder["secret"].encode(), recovery_key))
        found = re.search(r"^# names: ([0-9a-f]{64})$", self._secret.read_text(), flags=re.MULTILINE)
        assert found is not None
        self._names = bytes.fromhex(found.group(1))

    def manifest(self, snapshot_id: str) -> Json:
        stored = (self.folder / "snapshots" / f"{snapshot_id}.json").read_bytes()
        data = self._open(stored, self._secret)
        assert hashlib.sha256(data).hexdigest() == snapshot_id
        manifest: Json = json.loads(data)
        return manifest

    def object(self, ref: Json) -> bytes:
        name = hmac.new(self._names, bytes.fromhex(str(ref["sha256"])), "sha256").hexdigest()
        data = self._open((self.folder / "objects" / name[:2] / name).read_bytes(), self._secret)
        assert len(data) == ref["size"]
        assert hashlib.sha256(data).hexdigest() == ref["sha256"]
        return data

    def require_signed(self, snapshot_id: str) -> None:
        """The signature is right, and that of a machine in the secret."""
        signed = json.loads((self.folder / "signatures" / f"{snapshot_id}.json").read_bytes())
        signature = bytes.fromhex(signed.pop("signature"))
        assert f"# signer: {signed['signer']} {signed['machine']}\n" in self._secret.read_text()
        message = b"edms-backup/signature\n" + json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(signed["signer"])).verify(signature, message)
        assert signed["snapshot"] == snapshot_id


def with_cryptography(data: bytes, secrets: Path) -> bytes:
    return decrypt(data, re.findall(r"^AGE-SECRET-KEY-1\w+", secrets.read_text(), flags=re.MULTILINE))


def with_age(data: bytes, secrets: Path) -> bytes:
    return subprocess.run(["age", "-d", "-i", str(secrets)], input=data, capture_output=True, check=True).stdout


def test_an_encrypted_snapshot_is_read_with_pandas_and_age(edms_factory: ReferenceEdmsFactory, tmp_path: Path) -> None:
    edms = edms_factory("sqlite", documents=5, seed=1)
    protected = encrypt(protect(edms, tmp_path))

    result = protected.backup()

    assert result.verified
    openers: list[Opener] = [with_cryptography, *([with_age] if shutil.which("age") else [])]
    for opener in openers:
        reader = EncryptedByHand(protected.repository, tmp_path / "recovery-key", tmp_path, opener)
        reader.require_signed(result.snapshot_id)
        manifest = reader.manifest(result.snapshot_id)
        tables = manifest["tables"]
        assert isinstance(tables, list)
        for entry in tables:
            frame = reader.frame(entry)
            assert len(frame) == entry["state"]["rows"]
            assert proof(entry, frame) == entry["state"]["proof"]
        (files,) = manifest["files"]  # type: ignore[misc]
        index = pd.concat(pd.read_parquet(io.BytesIO(reader.object(ref))) for ref in files["index"])
        assert (index["kind"] == "file").sum() == files["files"]


def test_the_reader_by_hand_notices_what_was_altered(tmp_path: Path) -> None:
    settings = encrypted_settings(tmp_path)
    make_encrypted(settings, "plant")
    assert settings.identity is not None
    secret = json.loads((Path(settings.url) / "keys" / "recovery.json").read_bytes())["secret"]
    whole = with_cryptography(secret.encode(), settings.identity)
    assert whole.startswith(b"# edms-backup: the secret of repository ")
    lines = secret.splitlines()
    with pytest.raises(Exception, match=r".*"):
        with_cryptography("\n".join([*lines[:4], lines[4][::-1], *lines[5:]]).encode(), settings.identity)
