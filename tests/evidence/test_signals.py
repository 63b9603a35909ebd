"""How runs end is told: to a real web server and a real mail server; and what cannot be told fails no run."""

from __future__ import annotations

import email
import email.policy
import json
import re
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from edms_tasks.errors import CommandError, EdmsBackupError
from edms_tasks.signal_settings import MetricsSettings, NotifySettings
from edms_tasks.signalling.unsent import unsent
from flows.cli.app import app
from flows.prune import prune
from flows.requests import PruneRequest
from flows.running.run import Run
from flows.status import read_status
from tests.backed_up import BackedUpSystems
from tests.evidence.telling import break_database, section, telling
from tests.running import Protected, run_backup, run_verify

pytestmark = pytest.mark.usefixtures("edms_asked_once")

SECRET = "s3cret-token"


@dataclass
class WebServer:
    """What it was asked, and how it answers."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 200
    delay: float = 0.0


@pytest.fixture
def web() -> Iterator[WebServer]:
    known = WebServer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            known.asked.append((self.command, self.path, dict(self.headers), body))
            time.sleep(known.delay)
            self.send_response(known.status)
            self.end_headers()

        do_GET = do_POST = answer

        def log_message(self, *anything: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield known
    server.shutdown()
    server.server_close()


@contextmanager
def mail_server(inside: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """A mail server that speaks SMTP, with STARTTLS if it has a certificate: its port, and what it was sent."""
    got: list[str] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            secure = inside is None
            lines = self.request.makefile("rb")
            self.say(b"220 ready")
            while line := lines.readline():
                word = line[:4].upper()
                if word == b"STAR" and inside is not None:
                    self.say(b"220 go")
                    try:
                        self.request = inside.wrap_socket(self.request, server_side=True)
                    except ssl.SSLError:
                        return  # the client does not trust it
                    lines, secure = self.request.makefile("rb"), True
                elif word == b"EHLO":
                    self.say(b"250-here\r\n250 STARTTLS" if inside is not None and not secure else b"250 here")
                elif word == b"DATA" and secure:
                    self.say(b"354 go")
                    text = b""
                    while (one := lines.readline()) != b".\r\n":
                        text += one
                    got.append(text.decode())
                    self.say(b"250 kept")
                elif word == b"QUIT":
                    self.say(b"221 bye")
                    return
                else:
                    self.say(b"250 ok" if secure else b"530 STARTTLS first")

        def say(self, line: bytes) -> None:
            self.request.sendall(line + b"\r\n")

    socketserver.ThreadingTCPServer.daemon_threads = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], got
        server.shutdown()


@pytest.fixture
def mail() -> Iterator[tuple[str, list[str]]]:
    with mail_server() as (port, got):
        yield f"smtp+plain://127.0.0.1:{port}", got


@pytest.fixture
def protected(backed_up: BackedUpSystems) -> Protected:
    return backed_up("sqlite").protected


def test_a_webhook_gets_failures_as_json_and_successes_if_asked(protected: Protected, web: WebServer) -> None:
    hook = {"webhook": f"{web.url}/hook?token={SECRET}", "webhook_headers": {"Authorization": f"Bearer {SECRET}"}}
    run_backup(telling(protected, **hook))
    assert web.asked == []

    run_backup(telling(protected, **hook, on=["success"]), reason="not for others")
    break_database(protected)
    with pytest.raises(EdmsBackupError) as caught:
        run_backup(telling(protected, **hook))

    (_, path, headers, good), (_, _, _, bad) = web.asked
    said, failed = json.loads(good), json.loads(bad)
    assert (path, headers["Authorization"], headers["Content-Type"]) == (
        f"/hook?token={SECRET}",
        f"Bearer {SECRET}",
        "application/json",
    )
    assert (said["verb"], said["level"], said["verdict"]) == ("backup", "success", "Backed up")
    assert len(said["snapshot"]) == 64
    assert said["log_entry"] > 0
    assert (failed["level"], failed["what"]) == ("failure", caught.value.what)
    assert set(said) == set(re.findall(r"^\| `(\w+)` \|", section("## The webhook"), flags=re.MULTILINE))
    assert SECRET not in good.decode() + bad.decode()


@pytest.mark.long
def test_new_findings_are_a_warning_once(protected: Protected, web: WebServer) -> None:
    settings = telling(protected, webhook=web.url)
    run_backup(settings)
    next(iter(protected.edms.media.rglob("*.*"))).unlink()
    run_backup(settings)
    whole = protected.edms.database_path.read_bytes()
    break_database(protected)
    with pytest.raises(EdmsBackupError):
        run_backup(settings.model_copy(update={"notify": NotifySettings()}))
    protected.edms.database_path.write_bytes(whole)
    run_backup(settings)

    assert [(json.loads(one[3])["level"], json.loads(one[3])["new_findings"]) for one in web.asked] == [("warning", 1)]


@pytest.mark.long
def test_a_healthcheck_is_told_of_start_end_and_failure(protected: Protected, web: WebServer) -> None:
    settings = telling(protected, ping={"backup": f"{web.url}/ping/uuid"})
    run_backup(settings)
    run_verify(settings)  # of another verb
    break_database(protected)
    with pytest.raises(EdmsBackupError):
        run_backup(settings)

    assert [path for _, path, _, _ in web.asked] == [
        "/ping/uuid/start",
        "/ping/uuid",
        "/ping/uuid/start",
        "/ping/uuid/fail",
    ]


def test_a_run_that_is_refused_before_it_begins_is_told_as_well(protected: Protected, web: WebServer) -> None:
    settings = telling(protected, ping={"backup": f"{web.url}/p"}, webhook=f"{web.url}/hook")
    with pytest.raises(CommandError):
        run_backup(settings, tag="latest")
    assert {path for _, path, _, _ in web.asked} == {"/p/start", "/p/fail", "/hook"}


@pytest.mark.parametrize(
    "words", [["backup", "--tag", "latest"], ["verify", "--sample", "500"], ["restore", "--into-files", "x", "latest"]]
)
def test_a_command_that_is_refused_is_told_as_a_line_of_cron_may_be_wrong(
    protected: Protected, web: WebServer, words: list[str]
) -> None:
    config = protected.config
    with config.open("a") as file:
        file.write(f'\n[notify]\nwebhook = "{web.url}/hook"\nping = {{ {words[0]} = "{web.url}/ping" }}\n')

    done = CliRunner().invoke(app, ["--config", str(config), *words])

    assert done.exit_code == 2
    assert [path for _, path, _, _ in web.asked if path.startswith("/ping")] == ["/ping/start", "/ping/fail"]
    (told,) = [json.loads(body) for _, path, _, body in web.asked if path == "/hook"]
    assert (told["verb"], told["level"]) == (words[0], "failure")


def test_a_plan_tells_nothing(protected: Protected, web: WebServer) -> None:
    settings = telling(protected, ping={"prune": web.url}, webhook=web.url, on=["failure", "warning", "success"])
    keeps = settings.model_copy(update={"retention": settings.retention.model_copy(update={"keep_last": 3})})
    prune.fn(Run(keeps), PruneRequest(dry_run=True))
    assert web.asked == []


def test_an_email_says_what_failed_and_holds_no_secret(protected: Protected, mail: tuple[str, list[str]]) -> None:
    smtp, got = mail
    settings = telling(
        protected,
        smtp=smtp,
        email_from="b@example.org",
        email_to=["a@example.org", "c@example.org"],
        smtp_password=SECRET,
    )
    break_database(protected)
    with pytest.raises(EdmsBackupError) as caught:
        run_backup(settings)

    (text,) = got
    message = email.message_from_string(text, policy=email.policy.default)
    assert re.match(r"\[edms-backup\] .*backup FAILED", message["Subject"])
    assert message["To"] == "a@example.org, c@example.org"
    assert caught.value.what in message.get_content()
    assert SECRET not in text


def test_an_email_is_encrypted_and_only_for_a_server_with_the_right_certificate(
    protected: Protected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *names, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    inside.load_cert_chain(certificate, key)
    with mail_server(inside) as (port, got):
        to = {"smtp": f"smtp://localhost:{port}", "email_from": "b@x.org", "email_to": ["a@x.org"], "on": ["success"]}
        run_verify(telling(protected, **to))
        assert got == []
        assert "e-mail" in unsent(protected.settings.workdir)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        run_verify(telling(protected, **to))
        assert "verify done" in got[0]
    assert unsent(protected.settings.workdir) == {}


@pytest.mark.parametrize(
    ("status", "delay", "why"), [(500, 0, "answered 500"), (200, 30, "within 1 seconds|timed out|Timeout")]
)
def test_a_signal_that_cannot_be_sent_fails_no_run_and_shows_in_status(
    protected: Protected, web: WebServer, status: int, delay: float, why: str
) -> None:
    web.status, web.delay = status, delay
    hook = {"webhook": f"{web.url}/{SECRET}", "on": ["success"], "timeout": 1}
    settings = telling(protected, **hook)

    began = time.monotonic()
    assert run_verify(settings).success
    assert time.monotonic() - began < 20
    found = read_status(settings)
    assert not found.success
    assert re.search(why, found.line), found.line
    assert SECRET not in found.line
    without = settings.model_copy(update={"notify": settings.notify.model_copy(update={"webhook": None})})
    assert read_status(without).success, "nobody waits for signals on a way that is not in the settings any more"

    web.status, web.delay = 200, 0
    run_verify(telling(protected, **hook))
    assert unsent(settings.workdir) == {}
    assert read_status(settings).success


@pytest.mark.long
def test_a_way_that_is_not_in_the_settings_any_more_is_forgotten(protected: Protected) -> None:
    settings = telling(protected, webhook="http://127.0.0.1:1/x", timeout=1, on=["success"])
    run_backup(settings)

    assert "webhook" in str(read_status(settings).problems)
    assert read_status(protected.settings).success


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook": "file:///etc/passwd"},
        {"ping": {"backup": "ftp://x/"}},
        {"smtp": "mail.example"},
        {"smtp": "smtp://user:password@mail.example"},
        {"smtp": "smtp://mail.example:x"},
        {"on": ["sometimes"]},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NotifySettings.model_validate(wrong)
    with pytest.raises(ValidationError):
        MetricsSettings.model_validate({"file": "edms.txt"})


def test_notify_test_says_what_came_of_each_way(protected: Protected, web: WebServer) -> None:
    config = protected.config
    with config.open("a") as file:
        file.write(f'\n[notify]\nwebhook = "{web.url}/{SECRET}"\nping = {{ backup = "http://127.0.0.1:1/x" }}\n')
    done = CliRunner().invoke(app, ["--config", str(config), "notify", "--test", "--json"])

    said = json.loads(done.stdout)
    assert done.exit_code == 1
    assert said["ways"]["webhook"] == ""
    assert "could not be reached" in said["ways"]["ping of backup"]
    assert json.loads(web.asked[0][3])["verb"] == "test"
    assert SECRET not in done.output
