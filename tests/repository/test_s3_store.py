"""A real S3 server: what its errors say, large objects, pages, half uploads, and what only some stores can do."""

from __future__ import annotations

import dataclasses
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from edms_tasks.errors import (
    EdmsBackupError,
    NoSpace,
    RepositoryForbidden,
    RepositoryLocked,
    RepositoryUnreachable,
    SettingsError,
)
from edms_tasks.repository import Repository
from edms_tasks.repository.backend import Backend, open_backend
from edms_tasks.repository.backends import s3_store, store_backend
from edms_tasks.settings import RepositorySettings
from tests.stores.s3_places import s3_settings, secret_options
from tests.stores.swift_server import S3Account, SwiftServer


@pytest.fixture
def place(s3_account: S3Account, s3_bucket: str, tmp_path: Path) -> RepositorySettings:
    return s3_settings(s3_account, s3_bucket, f"{tmp_path.parent.name}/{tmp_path.name}")


@pytest.fixture
def backend(place: RepositorySettings) -> Backend:
    return open_backend(place)


def refused(settings: RepositorySettings) -> EdmsBackupError:
    with pytest.raises(EdmsBackupError) as found:
        Repository.open(settings)
    return found.value


def test_what_an_administrator_got_wrong_is_named(s3_account: S3Account, s3_bucket: str) -> None:
    def with_account(**changes: str) -> RepositorySettings:
        return s3_settings(dataclasses.replace(s3_account, **changes), s3_bucket)

    expected = [
        (s3_settings(s3_account, "no-such-bucket"), SettingsError, "bucket does not exist"),
        (with_account(secret="wrong"), RepositoryForbidden, "does not accept the credentials"),
        (with_account(key="nobody:nobody"), RepositoryForbidden, "does not accept the credentials"),
        (with_account(key="backup:guest", secret=SwiftServer.guest_secret), RepositoryForbidden, "refuses to read"),
        (with_account(endpoint="http://127.0.0.1:9"), RepositoryUnreachable, "does not answer"),
        (with_account(endpoint="http://no-such-host.invalid"), RepositoryUnreachable, "cannot be resolved"),
        (with_account(endpoint=s3_account.endpoint.replace("http:", "https:")), SettingsError, "does not speak TLS"),
        (with_account(endpoint="nonsense"), SettingsError, "Invalid endpoint"),
        (s3_settings(s3_account, "not a bucket"), SettingsError, "cannot be the name of a bucket"),
        (RepositorySettings(url="s3:///backups"), SettingsError, "names no bucket"),
        (RepositorySettings(url="s3://user:secret@bucket/x"), SettingsError, "credentials belong into"),
    ]
    for settings, kind, text in expected:
        error = refused(settings)
        assert type(error) is kind, error
        assert text in str(error)
        assert error.fix
        assert s3_account.secret not in str(error)


def test_a_misspelt_option_is_named(s3_account: S3Account, s3_bucket: str) -> None:
    options = secret_options({**s3_account.options, "endpoint": "x"})
    with pytest.raises(SettingsError, match="endpoint_url"):
        open_backend(RepositorySettings(url=f"s3://{s3_bucket}/x", options=options))
    with pytest.raises(SettingsError, match="Half of the credentials"):
        open_backend(RepositorySettings(url=f"s3://{s3_bucket}/x", options={"key": SecretStr("x")}))


def test_a_wrong_region_is_found_out(s3_account: S3Account, s3_bucket: str, place: RepositorySettings) -> None:
    Repository.create(place)
    elsewhere = secret_options({**s3_account.options, "region": "eu-west-9"})
    Repository.open(place.model_copy(update={"options": elsewhere}))


def test_a_large_object_is_uploaded_in_parts(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_backend, "PART", 5 * 1024 * 1024)
    data = bytes(range(256)) * 4096 * 12  # 12 MiB
    backend.write("objects/aa/large", (data[n : n + 1_000_000] for n in range(0, len(data), 1_000_000)))
    assert backend.size("objects/aa/large") == len(data)
    assert b"".join(backend.blocks("objects/aa/large")) == data


def test_an_upload_that_was_begun_by_a_killed_run_is_swept(place: RepositorySettings) -> None:
    repository = Repository.create(place)
    store = repository.backend._store  # type: ignore[attr-defined]
    upload = store.begin("objects/aa/half")
    store.part("objects/aa/half", upload, 1, 0, b"x" * 1000)
    with repository.lock("backup"):
        swept = repository.finish(repository.begin())
    assert swept.temporary == 1
    assert list(repository.backend.names("tmp")) == []


def test_listings_of_several_pages_are_complete(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_store, "_PAGE", 3)
    names = [f"objects/{n:02}" for n in range(8)]
    for name in names:
        backend.write(name, [b"x"])
    assert [name for name, _ in backend.names("objects")] == names


def test_bytes_that_change_on_their_way_are_refused(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server compares them with their Content-MD5, and they are sent again; if they always change, it is an error."""
    monkeypatch.setattr(s3_store, "content_md5", lambda data: "1B2M2Y8AsgTpgAmY7PhCfg==")  # of no bytes
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.FIRST_PAUSE", 0.001)
    with pytest.raises(RepositoryUnreachable, match="BadDigest"):
        backend.write("objects/aa/changed", [b"something"])
    assert backend.size("objects/aa/changed") is None


def test_of_two_runs_one_has_the_lock(place: RepositorySettings) -> None:
    first, second = Repository.create(place), Repository.open(place)
    with first.lock("nightly"):
        age = first.backend.age("locks/repository.json")
        assert age is not None
        assert -2 <= age < 60
        with pytest.raises(RepositoryLocked, match="nightly"), second.lock("mine"):
            pass


# -- a server in front that is busy, full, or breaks off --------------------------------------------------------------


class _Moody(socketserver.ThreadingTCPServer):
    """Answers each connection with the next of some answers: bytes, or None to break off."""

    daemon_threads = True

    def __init__(self, answers: list[bytes | None]) -> None:
        self.answers = answers
        self.asked = 0
        super().__init__(("127.0.0.1", 0), _MoodyAnswer)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _MoodyAnswer(socketserver.StreamRequestHandler):
    server: _Moody

    def handle(self) -> None:
        length, waits = 0, False
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            waits |= line.lower().startswith(b"expect:")
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        if answer is not None:
            if waits:
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.rfile.read(length)
            self.wfile.write(answer)


def answer(status: str, code: str = "", headers: str = "") -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said</Message></Error>" if code else ""
    return f"HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


OK = answer("200 OK", headers='ETag: "x"\r\n')


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[_Moody, Backend]]:
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.FIRST_PAUSE", 0.001)
    monkeypatch.setattr("edms_tasks.repository.backends.retrying.ATTEMPTS_OF_THE_FIRST", 8)
    server = _Moody([OK])
    account = S3Account(f"http://127.0.0.1:{server.server_address[1]}", "key", "secret")
    yield server, open_backend(s3_settings(account, "bucket"))
    server.shutdown()
    server.server_close()


def test_a_busy_server_is_asked_again(moody: tuple[_Moody, Backend]) -> None:
    server, backend = moody
    server.answers = [
        answer("503 Slow Down", "SlowDown"),
        answer("429 Too Many Requests"),
        None,
        answer("500 Internal Server Error", "InternalError"),
        answer("502 Bad Gateway"),
        answer("504 Gateway Timeout"),
        OK,
    ]
    backend.write("objects/aa/x", [b"something"])
    assert server.asked == 7


@pytest.mark.parametrize(
    ("said", "kind", "text"),
    [
        (answer("507 Insufficient Storage", "XMinioStorageFull"), NoSpace, "no space left"),
        (answer("403 Forbidden", "QuotaExceeded"), NoSpace, "no space left"),
        (answer("413 Request Entity Too Large"), NoSpace, "no space left"),
        (answer("403 Forbidden", "RequestTimeTooSkewed"), RepositoryForbidden, "clock of this machine"),
        (answer("403 Forbidden", "AccessDenied"), RepositoryForbidden, "refuses to write"),
        (answer("403 Forbidden", "ExpiredToken"), RepositoryForbidden, "token has expired"),
        (answer("400 Bad Request", "Nonsense"), RepositoryForbidden, "Nonsense"),
    ],
)
def test_what_will_not_pass_is_an_error_at_once(
    moody: tuple[_Moody, Backend], said: bytes, kind: type[EdmsBackupError], text: str
) -> None:
    server, backend = moody
    server.answers = [said]
    with pytest.raises(kind, match=text):
        backend.write("objects/aa/x", [b"something"])
    assert server.asked == 1


def test_a_store_that_does_not_know_conditional_writes_is_found_out(moody: tuple[_Moody, Backend]) -> None:
    server, backend = moody
    server.answers = [answer("501 Not Implemented", "NotImplemented")]
    assert not backend.refuses_to_replace("locks/repository.json", b"{}")
    server.answers = [OK]  # it takes no notice
    assert not backend.refuses_to_replace("locks/repository.json", b"{}")
    server.answers = [answer("412 Precondition Failed", "PreconditionFailed")]
    assert backend.refuses_to_replace("locks/repository.json", b"{}")
