"""A reader of age files, written from https://age-encryption.org/v1 with `cryptography` alone: it shares no code with pyrage."""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_CHARACTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_PIECE = 64 * 1024 + 16


def decrypt(data: bytes, secrets: list[str]) -> bytes:
    """The content of an age file that is encrypted to one of these secrets (`AGE-SECRET-KEY-1…`)."""
    if data.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----"):
        lines = data.decode().strip().splitlines()
        data = base64.b64decode("".join(lines[1:-1]))
    end = data.index(b"\n--- ")
    header, _, payload = data[end + 1 :].partition(b"\n")
    file_key = _file_key(data[:end].decode(), secrets)
    mac = hmac.new(_derive(file_key, b"", b"header"), data[: end + 4], hashlib.sha256).digest()
    assert _decoded(header.decode().removeprefix("--- ")) == mac, "the header was altered"
    cipher = ChaCha20Poly1305(_derive(file_key, payload[:16], b"payload"))
    pieces = [payload[start : start + _PIECE] for start in range(16, len(payload), _PIECE)]
    return b"".join(
        cipher.decrypt(number.to_bytes(11, "big") + bytes([number == len(pieces) - 1]), piece, None)
        for number, piece in enumerate(pieces)
    )


def _file_key(header: str, secrets: list[str]) -> bytes:
    version, *lines = header.split("\n")
    assert version == "age-encryption.org/v1"
    for place, line in enumerate(lines):
        if not line.startswith("-> X25519 "):
            continue
        ephemeral, body = _decoded(line.split(" ")[2]), _decoded(lines[place + 1])
        for secret in secrets:
            private = X25519PrivateKey.from_private_bytes(_bech32(secret))
            public = private.public_key().public_bytes_raw()
            shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
            wrapping = _derive(shared, ephemeral + public, b"age-encryption.org/v1/X25519")
            try:
                return ChaCha20Poly1305(wrapping).decrypt(bytes(12), body, None)
            except InvalidTag:
                continue  # it is for somebody else
    raise AssertionError("None of the secrets opens it.")


def _derive(key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(key)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _bech32(secret: str) -> bytes:
    """The 32 bytes of a secret key; its checksum is not compared."""
    values = [_CHARACTERS.index(letter) for letter in secret.lower().rsplit("1", 1)[1][:-6]]
    number = int("".join(f"{value:05b}" for value in values)[:256], 2)
    return number.to_bytes(32, "big")
