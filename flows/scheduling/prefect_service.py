"""A Prefect server, a worker and the schedules on one machine, for those who have no Prefect: `edms-backup serve`.

The server listens on this machine only, unless it is told otherwise, and always with a login: whoever may start runs may replace the
EDMS. Both processes end with this one, and are started again if they end by themselves.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import TerminalError, TransientError
from edms_tasks.settings import CONFIG_FOLDERS
from flows.running.prefect_api import ADDRESS, LOGIN, without_proxy_for
from flows.running.temporary_server import ends_with_its_parent, health_of
from flows.scheduling.automations import what_became_of
from flows.scheduling.deploying import POOL, deploy
from flows.scheduling.prefect_deployments import DeployedEdms

_SECONDS_TO_START = 300.0
_SECONDS_TO_STOP = 60.0
_BETWEEN = 0.3
_SHORTEST_LIFE = 30.0  # seconds; a process that ends sooner is started again later and later
_LONGEST_PAUSE = 300.0


@dataclass(frozen=True)
class _Process:
    """One of the two: what it was started with, and when."""

    itself: subprocess.Popen[bytes]
    arguments: Sequence[str]
    began: float


@dataclass
class PrefectService:
    """The server and the worker.

    Args:
        home: folder of the server's database, its log and the login.
        systems: the EDMSs to run.
        host: the address to listen on.
        port: the port to listen on.
        say: prints a line.
        automations: whether to register alarms.
    """

    home: Path
    systems: Sequence[DeployedEdms]
    host: str
    port: int
    say: Callable[[str], None]
    automations: bool = True
    _running: dict[str, _Process] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """The address of the UI."""
        host = f"[{self.host}]" if ":" in self.host else self.host  # an address of version 6
        return f"http://{host}:{self.port}"

    @property
    def login_file(self) -> Path:
        """The file with the login, `user:password`."""
        return self.home / LOGIN

    def run(self, when_ready: Callable[[], None]) -> None:
        """Start both, deploy, and keep them running until SIGTERM or Ctrl-C. `when_ready` is called once they run.

        Raises:
            TransientError: the server does not start.
            TerminalError: its address is in use, or Prefect refuses the deployments.
        """
        private_folder(self.home)
        with _alone(self.home):
            self._serve(when_ready)

    def _serve(self, when_ready: Callable[[], None]) -> None:
        environ = self._environment()
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            self._require_free()
            write_durably(self.home / ADDRESS, f"{self.url}/api\n")
            self._start("server", ["server", "start", "--host", self.host, "--port", str(self.port)], environ)
            self._wait_for_server()
            self._deploy(environ)
            self._start("worker", ["worker", "start", "--pool", POOL, "--type", "process"], environ)
            when_ready()
            self._watch(environ)
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _deploy(self, environ: Mapping[str, str]) -> None:
        self.say("deploying the schedules, forms and alarms")
        alarms = deploy(self.systems, POOL, "process", environ, automations=self.automations)
        for told in what_became_of(alarms, self.systems):
            self.say(told)

    def _environment(self) -> Mapping[str, str]:
        login = self._login()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return kept | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_API_AUTH_STRING": login,
            "PREFECT_SERVER_API_AUTH_STRING": login,
            "PREFECT_SERVER_API_HOST": self.host,
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            # The newer UI has no form to approve a suspended run, and asks its vendor's host for settings.
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "DO_NOT_TRACK": "1",
            # Runs of more than 90 days ago, events of more than a week ago: otherwise its database would grow for ever.
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            **without_proxy_for(self.host, kept),
            CONFIG_FOLDERS: os.pathsep.join(sorted({str(one.config.parent) for one in self.systems})),
        }

    def _login(self) -> str:
        """The login, made at the first start; it is in a file that only this user reads, and never printed."""
        try:
            return self.login_file.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            login = f"admin:{secrets.token_urlsafe(18)}"
            write_durably(self.login_file, login + "\n")
            return login

    def _require_free(self) -> None:
        if health_of(f"{self.url}/api") is not None:
            raise TerminalError(
                "Another server answers at this address.",
                where=self.url,
                fix="Stop it, name another port with --port, or register with it: `edms-backup deploy`.",
            )

    def _start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "prefect", *arguments],
                env=dict(environ),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C must reach the worker only after its runs were told to end
                preexec_fn=ends_with_its_parent(),
            )
        self._running[name] = _Process(process, arguments, time.monotonic())

    def _wait_for_server(self) -> None:
        self.say(f"starting  the server, which takes half a minute; its log is {self.home / 'server.log'}")
        until = time.monotonic() + _SECONDS_TO_START
        while (
            time.monotonic() < until and self._running["server"].itself.poll() is None and not self._stopping.is_set()
        ):
            if health_of(f"{self.url}/api") is not None:
                return  # without the login it says no more
            time.sleep(_BETWEEN)
        raise TransientError(
            "Prefect's server did not start.",
            where=self.url,
            why=_last_line(self.home / "server.log"),
            fix=f"Its log is {self.home / 'server.log'}.",
        )

    def _watch(self, environ: Mapping[str, str]) -> None:
        """Start again what ends by itself, until this process is told to stop."""
        pause = 1.0
        while not self._stopping.wait(1.0):
            for name, process in list(self._running.items()):
                if process.itself.poll() is None:
                    continue
                lived = time.monotonic() - process.began
                pause = 1.0 if lived > _SHORTEST_LIFE else min(2 * pause, _LONGEST_PAUSE)
                self.say(f"! The {name} ended with {process.itself.returncode} and is started again in {pause:.0f} s.")
                self.say(f"  log: {self.home / name}.log")
                if self._stopping.wait(pause):
                    return
                self._start(name, process.arguments, environ)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping.set()

    def _end(self) -> None:
        """End the worker first, so that the server records how its runs ended."""
        for process in (self._running[name].itself for name in ("worker", "server") if name in self._running):
            if process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keep another server from working on the same database; the kernel gives the lock back when this process ends."""
    held = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(held, home)
        yield
    finally:
        os.close(held)


def _take(held: int, home: Path) -> None:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TerminalError(
            "Another `edms-backup serve` runs with this home folder.",
            where=str(home),
            why=f"It serves {_last_line(home / ADDRESS)}." if (home / ADDRESS).exists() else "",
            fix="Use that one, or stop it; or name another folder with --home.",
        ) from None


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "It said nothing."
