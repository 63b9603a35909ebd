"""One-time codes, held against the reference values of RFC 6238 and against a computation of our own from hmac alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from pathlib import Path

import pytest

from edms_tasks.errors import SettingsError
from flows.approval.one_time_codes import new_secret, uri_for_apps, use_code

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = 1_234_567_890.0


def code_at(secret: str, seconds: float) -> str:
    """RFC 6238 by hand."""
    digest = hmac.digest(base64.b32decode(secret), struct.pack(">Q", int(seconds) // 30), hashlib.sha1)
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place : place + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


@pytest.mark.parametrize(("at", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924")])
def test_codes_are_those_of_the_rfc(tmp_path: Path, at: int, code: str) -> None:
    assert code_at(RFC_SECRET, at) == code
    assert use_code(code, RFC_SECRET, "anna", tmp_path / "used", at)


@pytest.mark.parametrize(
    ("shown_before", "valid"),
    [(0, True), (30, True), (599, True), (660, False), (3600, False), (-30, True), (-90, False)],
)
def test_a_code_is_valid_for_ten_minutes(tmp_path: Path, shown_before: int, valid: bool) -> None:
    assert use_code(code_at(RFC_SECRET, NOW - shown_before), RFC_SECRET, "anna", tmp_path / "used", NOW) is valid


def test_a_code_is_valid_once_for_each_person(tmp_path: Path) -> None:
    used, other = tmp_path / "used", new_secret()
    code = code_at(RFC_SECRET, NOW)

    assert use_code(f"{code[:3]} {code[3:]}", RFC_SECRET, "anna", used, NOW)
    assert not use_code(code, RFC_SECRET, "anna", used, NOW + 20)
    assert use_code(code_at(RFC_SECRET, NOW + 30), RFC_SECRET, "anna", used, NOW + 30)
    assert use_code(code_at(other, NOW), other, "ben", used, NOW)


@pytest.mark.parametrize("typed", ["", "000000", "12345", "1234567", "abcdef", "²³⁴⁵⁶⁷", "\x00"])
def test_what_is_no_code_is_refused(tmp_path: Path, typed: str) -> None:
    assert not use_code(typed, RFC_SECRET, "anna", tmp_path / "used", NOW)


@pytest.mark.parametrize("secret", ["", "not base32!", "MZXW6==="])
def test_a_secret_that_is_none_is_an_error_that_does_not_show_it(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SettingsError, match="anna") as failed:
        use_code("123456", secret, "anna", tmp_path / "used", NOW)
    assert not secret or secret not in str(failed.value)


def test_apps_read_secret_and_names_from_the_address() -> None:
    secret = new_secret()

    uri = uri_for_apps(secret, "anna", "plant")

    assert uri.startswith("otpauth://totp/")
    assert f"secret={secret}" in uri
    assert len(base64.b32decode(secret)) == 20
