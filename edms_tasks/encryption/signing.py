"""Signatures of snapshots and log entries: Ed25519. Keys are 64 hex digits, signatures 128."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import SecretStr


def new_signing_key() -> SecretStr:
    """The secret half of a new key pair."""
    return SecretStr(Ed25519PrivateKey.generate().private_bytes_raw().hex())


def public_key_of(signing_key: SecretStr) -> str:
    """The public half."""
    return _private(signing_key).public_key().public_bytes_raw().hex()


def sign(signing_key: SecretStr, message: bytes) -> str:
    """The signature of a message."""
    return _private(signing_key).sign(message).hex()


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether the signature is that of the key's owner, on this very message."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private(signing_key: SecretStr) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(signing_key.get_secret_value()))
