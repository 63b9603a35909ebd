"""A PostgreSQL server of our own for the length of a test run.

It is created in a temporary folder, listens on a free port of the loopback address only, and goes away with the
process that started it, even when that process is killed. `postgres_programs.py` decides which programs are used.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import hmac
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from tests.memory import folder_in_memory
from tests.postgres_programs import PostgresServerError, find_bin_dir

SUPERUSER = "edms_test"

_START_SECONDS = 60
_START_ATTEMPTS = 5


class PostgresServer:
    """A running server; use it as a context manager.

    `url(name)` is the address of a database, `bin_dir` the folder with `pg_dump` and its like of the same version.
    With `in_memory`, it keeps its databases there if there is plenty: a quarter less to do for it than on a disk.
    """

    def __init__(self, bin_dir: Path | None = None, *, in_memory: bool = False) -> None:
        self.bin_dir = bin_dir or find_bin_dir()
        self._in_memory = in_memory
        self.password = secrets.token_urlsafe(12)
        self.port = 0
        self._account = _unprivileged_account()
        self._folder: Path | None = None
        self._memory: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # /tmp and not the caller's own temporary folder: a Unix socket's path may have 107 characters at most, and the
        # folders above it must be open to the account that the server runs as.
        self._folder = Path(tempfile.mkdtemp(prefix="edms-pg-", dir="/tmp"))
        try:
            self._folder.chmod(0o755)
            self._give_away(self._folder)
            self._memory = folder_in_memory("edms-pg") if self._in_memory else None
            self._give_away(self._memory or self._folder)
            self._make_programs_reachable()
            self._initialise()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def socket_dir(self) -> Path:
        """The folder of the server's Unix socket."""
        return self._root

    @property
    def process_id(self) -> int:
        """Of the server's first process, above all its others."""
        assert self._process is not None  # it was started
        return self._process.pid

    @property
    def version(self) -> str:
        """What `postgres --version` says, for instance ``postgres (PostgreSQL) 16.14``."""
        shown = subprocess.run([self.bin_dir / "postgres", "--version"], check=True, capture_output=True, text=True)
        return str(shown.stdout).strip()

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database, as a superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def create_database(self, name: str, template: str = "template0") -> str:
        """Create a database, empty or a copy of another, and return its address."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with self.connect() as connection:
            # Files as they are, and no log of each of their pages: a third less to do.
            copied = " STRATEGY file_copy" if connection.info.server_version >= 150000 else ""
            connection.execute(statement + sql.SQL(copied))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it; it need not exist."""
        statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        with self.connect() as connection:
            connection.execute(statement)

    def drop_databases(self, prefix: str) -> None:
        """Drop every database whose name begins so."""
        for name in self.databases():
            if name.startswith(prefix):
                self.drop_database(name)

    def databases(self) -> list[str]:
        """Return the names of all databases, templates left out."""
        with self.connect() as connection:
            rows = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").fetchall()
        return [str(row[0]) for row in rows]

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection in autocommit mode, as CREATE and DROP DATABASE need it."""
        return psycopg.connect(self.url(database), autocommit=True)

    def psql(self, database: str, script: str) -> str:
        """Run a script with `psql` and return what it printed, unaligned and without headers."""
        command = [str(self.bin_dir / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url(database)]
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PostgresServerError(f"psql exited with {done.returncode}: {done.stderr.strip()}")
        return str(done.stdout)

    def crash(self) -> None:
        """Stop as `pg_ctl stop -m immediate` does: nothing is written back, and the next start recovers from the log."""
        assert self._process is not None  # it was started
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(timeout=60)

    def start_again(self) -> None:
        """Start after a crash, on the same port."""
        self._process = self._launch()
        if not self._wait_until_ready(self._process):
            raise PostgresServerError(f"the server did not come back:\n{self._log.read_text(errors='replace')}")

    def stop(self) -> None:
        """Stop the server, end its connections and remove its folder; may be called twice."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            # SIGINT is the "fast" shutdown. SIGQUIT, the immediate one, makes the postmaster end its children as
            # well; SIGKILL would leave them alive.
            for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(request)
                try:
                    process.wait(timeout=20)
                    break
                except subprocess.TimeoutExpired:
                    continue
        folders, self._folder, self._memory = (self._folder, self._memory), None, None
        for folder in filter(None, folders):
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _root(self) -> Path:
        if self._folder is None:
            raise PostgresServerError("the server is not running")
        return self._folder

    @property
    def _data(self) -> Path:
        return (self._memory or self._root) / "data"

    @property
    def _log(self) -> Path:
        return self._root / "server.log"

    def _make_programs_reachable(self) -> None:
        # As root the server runs as another account, which cannot look into, say, a .venv below /root.
        try:
            self._run([str(self.bin_dir / "postgres"), "--version"])
        except PermissionError:
            self.bin_dir = _copy_of_programs(self.bin_dir, self._root / "programs")

    def _initialise(self) -> None:
        secret = self._root / "password"
        secret.write_text(_hashed(self.password) + "\n")
        self._give_away(secret)
        command = [str(self.bin_dir / "initdb"), "-D", str(self._data), "-U", SUPERUSER, f"--pwfile={secret}"]
        command += ["-A", "scram-sha-256", "-E", "UTF8", f"--locale={_utf8_locale()}", "--no-sync", "--no-instructions"]
        done = self._run(command)
        secret.unlink()
        if done.returncode:
            raise PostgresServerError(f"initdb exited with {done.returncode}:\n{done.stdout}\n{done.stderr}")

    def _start(self) -> None:
        # Another program may take the free port between the look and the start.
        for attempt in range(1, _START_ATTEMPTS + 1):
            self.port = _free_port()
            self._process = self._launch()
            if self._wait_until_ready(self._process):
                return
            said = self._log.read_text(errors="replace")
            if attempt == _START_ATTEMPTS or "could not bind" not in said:
                raise PostgresServerError(f"the PostgreSQL server of {self.bin_dir} did not start:\n{said}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._root),
            "max_connections": "200",
            # The rows need not outlive the run; this makes creating databases several times faster.
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "shared_buffers": "128MB",
            "logging_collector": "off",
            "timezone": "UTC",
        }
        if self._memory is not None:
            settings["max_wal_size"] = "256MB"  # by default each server's log takes a gigabyte
        command = [str(self.bin_dir / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._root,
                env=self._environment(),
                # A session of its own, so that Ctrl-C at the terminal reaches the tests first and the server by `stop`.
                start_new_session=True,
                preexec_fn=_stop_with_parent(self._account),
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            try:
                with psycopg.connect(self.url(), connect_timeout=5):
                    return True
            except psycopg.OperationalError:
                time.sleep(0.05)
        return False

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=self._root,
            env=self._environment(),
            preexec_fn=_stop_with_parent(self._account),
        )

    def _environment(self) -> dict[str, str]:
        # PGDATA, PGPORT and the like of the person who runs the tests must not reach our server.
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return kept | {"LC_ALL": "C.UTF-8", "HOME": str(self._root)}

    def _give_away(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.user, self._account.group)


def as_role(url: str, login: str) -> str:
    return f"postgresql://{login}@{url.rpartition('@')[2]}"


@dataclass(frozen=True)
class _Account:
    """The account without privileges that the server runs as when the tests run as root."""

    user: int
    group: int


def _unprivileged_account() -> _Account | None:
    # initdb and postgres refuse to run as root.
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Account(entry.pw_uid, entry.pw_gid)
    raise PostgresServerError("the tests run as root, and there is no account `postgres` or `nobody` for the server")


def _copy_of_programs(bin_dir: Path, target: Path) -> Path:
    # The programs find their own files relative to themselves, and those of a wheel the libraries in a folder
    # `<package>.libs` beside the package: the copy keeps that shape.
    installation = bin_dir.parent
    package = installation.parent
    copy = target / package.name / installation.name
    shutil.copytree(installation, copy)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    return copy / bin_dir.name


def _hashed(password: str) -> str:
    """The password as SCRAM-SHA-256 stores it, hashed once (RFC 5802): 4096 times are 10 ms for each end of each connection."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256$1:{salt64}${stored64}:{server64}"


def _utf8_locale() -> str:
    program = shutil.which("locale")
    listed = subprocess.run([program, "-a"], capture_output=True, text=True, check=False).stdout if program else ""
    names = {name.strip().lower().replace("utf-8", "utf8"): name.strip() for name in listed.splitlines()}
    return names.get("c.utf8", "C")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop_with_parent(account: _Account | None) -> Callable[[], None]:
    """Return what the child runs before it becomes the server: drop privileges, and ask to be stopped with us."""
    # Everything that allocates or imports happens here, before the fork.
    parent = os.getpid()
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    set_parent_death_signal = 1

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.group)
            os.setuid(account.user)
        if libc is not None:
            # After setuid, which clears the request. It is tied to the thread that starts the server: use the main one.
            # SIGQUIT is PostgreSQL's immediate shutdown.
            libc.prctl(set_parent_death_signal, signal.SIGQUIT)
            if os.getppid() != parent:
                os._exit(1)

    return prepare
