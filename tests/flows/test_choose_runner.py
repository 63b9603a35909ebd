"""Where a command runs: decided without importing Prefect."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edms_tasks.errors import TransientError
from edms_tasks.settings import settings_from
from flows.running import prefect_api
from flows.running.choose_runner import choose_runner
from flows.running.prefect_api import PrefectApi, configured_api, why_unusable

PROFILES = """
active = "plant"
[profiles.plant]
PREFECT_API_URL = "http://prefect.example:4200/api"
[profiles.bare]
"""


def url_of(environ: dict[str, str]) -> str | None:
    api = configured_api(environ)
    return api.url if api else None


def test_the_environment_names_the_api() -> None:
    assert url_of({"PREFECT_API_URL": "http://here/api", "PREFECT_HOME": "/nowhere"}) == "http://here/api"


def test_the_active_profile_names_the_api(tmp_path: Path) -> None:
    (tmp_path / "profiles.toml").write_text(PROFILES)
    home = {"PREFECT_HOME": str(tmp_path)}

    assert url_of(home) == "http://prefect.example:4200/api"
    assert url_of(home | {"PREFECT_PROFILE": "bare"}) is None


@pytest.mark.parametrize("text", [None, "no toml [", "active = 'gone'"])
def test_without_a_usable_profile_there_is_no_api(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "profiles.toml").write_text(text)

    assert url_of({"PREFECT_HOME": str(tmp_path)}) is None


def test_without_an_api_a_command_runs_directly(tmp_path: Path) -> None:
    config = tmp_path / "edms-backup.toml"

    runner = choose_runner(config, settings_from({}, where=config), flow=None, console=None)

    assert not runner.prefect


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "refused"),
        ((500, b"{}"), "error (HTTP 500)"),
        ((503, b"{}"), "error (HTTP 503)"),
        ((401, b"{}"), "refuses the login (HTTP 401)"),
        ((404, b"{}"), "no Prefect API (HTTP 404)"),
        ((200, b"<html>Please log in</html>"), "Expecting value"),
        ((200, b'{"detail": "hello"}'), "not a Prefect API"),
        ("noise", "BadStatusLine"),
        ("silence", "timed out"),
    ],
)
def test_an_api_that_cannot_be_used_stops_nothing_unless_a_flow_was_asked_for(
    answer: tuple[int, bytes] | str | None, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "edms-backup.toml"
    settings = settings_from({}, where=config)
    monkeypatch.setattr(prefect_api, "_SECONDS_TO_ANSWER", 0.5)
    monkeypatch.setattr(prefect_api, "_PAUSES_WHILE_BUSY", (0.01,))

    with an_api(answer) as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        runner = choose_runner(config, settings, flow=None, console=None)

        assert not runner.prefect
        (note,) = runner.notes
        assert why in note and "run was direct" in note and "127.0.0.1" in note
        with pytest.raises(TransientError, match="--no-flow"):
            choose_runner(config, settings, flow=True, console=None)
        assert choose_runner(config, settings, flow=False, console=None).notes == []


def test_the_login_is_shown_to_the_api_and_to_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    with an_api((200, b"7"), seen) as url:
        api = configured_api({"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": "admin:secret", "PREFECT_HOME": "/no"})
        assert api is not None and why_unusable(api) == ""

    assert seen == ["Basic YWRtaW46c2VjcmV0"]
    assert "secret" not in repr(api) and "YWRt" not in repr(api)


def test_a_server_that_is_busy_for_a_moment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_api, "_PAUSES_WHILE_BUSY", (0.01, 0.01))
    seen: list[str | None] = []
    with an_api((200, b"7"), seen, busy=2) as url:
        assert why_unusable(PrefectApi(url)) == ""

    assert len(seen) == 3


def test_a_login_in_the_address_is_refused_and_not_shown() -> None:
    api = configured_api({"PREFECT_API_URL": "http://admin:secret@127.0.0.1:4200/api", "PREFECT_HOME": "/no"})

    assert api is not None
    assert "PREFECT_API_AUTH_STRING" in why_unusable(api)
    assert "secret" not in why_unusable(api) + api.display + repr(api)


@pytest.mark.parametrize("url", ["http://[::1/api", "http://bad host/api", "http://127.0.0.1:99999/api"])
def test_an_address_that_is_none_is_a_reason_and_no_traceback(url: str) -> None:
    assert why_unusable(PrefectApi(url))


@contextmanager
def an_api(
    answer: tuple[int, bytes] | str | None, seen: list[str | None] | None = None, busy: int = 0
) -> Iterator[str]:
    """Something that listens where an API should: answers so, speaks no HTTP, says nothing, or (None) is not there.

    `busy`: so many requests are refused before, as by a server whose database is locked.
    """
    refusals = iter(range(busy))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if seen is not None:
                seen.append(self.headers.get("Authorization"))
            self.rfile.read(int(self.headers["Content-Length"]))
            if next(refusals, None) is not None:
                self.send_response(503)
                self.end_headers()
            elif answer == "silence":
                over.wait(20)
            elif answer == "noise":
                self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
            else:
                assert isinstance(answer, tuple)
                self.send_response(answer[0])
                self.end_headers()
                self.wfile.write(answer[1])

        def log_message(self, *arguments: object) -> None:
            pass

    over = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    url = f"http://127.0.0.1:{server.server_port}/api"
    if answer is None:
        server.server_close()
        yield url
        return
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield url
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_direct_backup_imports_no_prefect() -> None:
    script = (
        "import sys, flows.backup, flows.restore, flows.verify, flows.running.threads; print('prefect' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
