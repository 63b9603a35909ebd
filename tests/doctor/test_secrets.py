"""Which names and values count as secrets in the clear, and which do not."""

from __future__ import annotations

import re

import pytest

from edms_tasks.doctor.secrets import _BY_VALUE, _ENCRYPTED, _HASHED, _sign


@pytest.mark.parametrize(
    "name",
    ["password", "smtp_password", "imapPassword", "passwd", "api_token", "client_secret", "private_key", "ACCESS-KEY",
     "apiKey", "session_key", "credentials", "otp_seed"],
)  # fmt: skip
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert _sign(name) is not None


@pytest.mark.parametrize(
    "name",
    ["password_hash", "hashed_password", "encrypted_key", "public_key", "token_type", "password_changed_at",
     "secretary", "tokenizer", "key", "primary_key", "foreign_key", "secret_level", "passport", "compass", "natural_key"],
)  # fmt: skip
def test_other_names_are_not_taken_for_secrets(name: str) -> None:
    assert _sign(name) is None


@pytest.mark.parametrize(
    "value",
    ["pbkdf2_sha256$600000$salt$hash=", "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA", "bcrypt_sha256$$2b$12$x",
     "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99", "scrypt$16384$salt$8$5$hash", "!", "!unusable", "$2b$12$abcdefgh"],
)  # fmt: skip
def test_password_hashes_are_not_in_the_clear(value: str) -> None:
    assert re.fullmatch(_HASHED, value)


@pytest.mark.parametrize("value", ["sunshine", "md5", "pbkdf2_sha256", "a$b$c", "$100"])
def test_passwords_are_not_taken_for_hashes(value: str) -> None:
    assert not re.fullmatch(_HASHED, value)
    assert not re.fullmatch(_ENCRYPTED, value)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("-----BEGIN EC PRIVATE KEY-----\nMHcC", "a private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
        ("AKIA" + "A1B2C3D4E5F6G7H8", "an Amazon access key"),
        ("ghp_" + "a" * 36, "a GitHub token"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "a signed token (JWT)"),
        ("postgresql://edms:hunter2@db.example.org/edms", "a URL with a password"),
        ("see https://example.org/a:b@c for the private key", None),
        ("-----BEGIN PUBLIC KEY-----", None),
        ("-----BEGIN CERTIFICATE-----", None),
        ("mailto:ada@example.org", None),
    ],
)
def test_values_that_look_like_secrets_are_recognised(value: str, what: str | None) -> None:
    found = [name for name, part, pattern in _BY_VALUE if part in value and re.search(pattern, value)]

    assert found == ([what] if what else [])
