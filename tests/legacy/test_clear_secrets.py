"""Secrets in clear in the configuration of an old backup: which lines hold one, and that the look is quick for any text."""

from __future__ import annotations

import time

import pytest

from edms_tasks.legacy.clear_secrets import ClearSecrets


def found_in(text: str) -> tuple[str, ...]:
    secrets = ClearSecrets()
    secrets.look("a.env", text.encode())
    findings = secrets.findings()
    assert all(one.count == len(one.examples) for one in findings)  # there are few in these texts
    return tuple(name for one in findings for name in one.examples)


SECRETS = {
    "DB_PASSWORD=hunter2": "DB_PASSWORD",
    "export DB_PASSWORD='hunter2'": "DB_PASSWORD",
    "DB_PASSWORD=$ecret!23": "DB_PASSWORD",
    'DB_PASSWORD="$2b$12$abcdefg"': "DB_PASSWORD",
    "DB_PASSWORD=,a": "DB_PASSWORD",
    "DB_PASSWORD=${DB_PASSWORD:-hunter2}": "DB_PASSWORD",
    "SECRET_KEY = os.environ.get('SECRET_KEY', 'insecure-abc')": "SECRET_KEY",
    'SECRET_KEY = config("SECRET_KEY", default="insecure-abc")': "SECRET_KEY",
    '  "EMAIL_HOST_PASSWORD": "hunter2", "USER": "me"': "EMAIL_HOST_PASSWORD",
    "    'PASSWORD': 'hunter2',": "PASSWORD",
    "api_key: abc": "api_key",
    "DATABASE_URL=postgres://edms:hunter2@db/edms": "DATABASE_URL",
    "BROKER=redis://:$pass$@db/0": "BROKER",
    "STRIPE=sk_live_abc": "STRIPE",
    "-----BEGIN RSA PRIVATE KEY-----": "a private key",
}

NO_SECRETS = [
    "DB_PASSWORD=",
    "DB_PASSWORD=\nDB_HOST=localhost",
    "DB_PASSWORD =\r\n\r\nDB_HOST=localhost",
    'DB_PASSWORD=""',
    "    'PASSWORD': '',",
    "DB_PASSWORD=$DB_PASSWORD",
    "DB_PASSWORD=${DB_PASSWORD}",
    "DB_PASSWORD=${DB_PASSWORD:?must be set}",
    "DB_PASSWORD=${DB_PASSWORD:-}",
    "DB_PASSWORD=$(cat /run/secrets/db)",
    "SECRET_KEY = os.environ['SECRET_KEY']",
    "SECRET_KEY = os.environ.get('SECRET_KEY', '')",
    'SECRET_KEY = env("SECRET_KEY")',
    "PASSWORD_HASHERS = [",
    "PASSWORD = None",
    "    'PASSWORD': None,",
    "BROKER=redis://:${PASS}@db/0",
    "BROKER=redis://db/0",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_named_by_its_setting(text: str) -> None:
    assert f"{SECRETS[text]} in a.env" in found_in(text)


@pytest.mark.parametrize("text", NO_SECRETS)
def test_what_is_empty_or_somewhere_else_is_no_secret(text: str) -> None:
    assert found_in(text) == ()


@pytest.mark.parametrize(
    "text",
    ["a" * 1_000_000, "a:" * 500_000, "PASSWORD" * 100_000, "TOKEN=" * 100_000, "a://" * 200_000, "' " * 400_000],
    ids=["letters", "settings", "names", "secrets", "addresses", "quotes"],
)
def test_a_hostile_text_is_looked_through_once(text: str) -> None:
    begun = time.process_time()
    found_in_any_number(text)
    assert time.process_time() - begun < 5


def found_in_any_number(text: str) -> None:
    ClearSecrets().look("a.env", text.encode())
