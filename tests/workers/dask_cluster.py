"""A real Dask scheduler and workers, each in a process of its own, started by Dask's own command line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from distributed import Client

_SECONDS = 90.0
_SCHEDULER = [
    sys.executable,
    "-m",
    "distributed.cli.dask_scheduler",
    "--no-dashboard",
    "--no-show",
]
_WORKER = [
    sys.executable,
    "-m",
    "distributed.cli.dask_worker",
    "--no-dashboard",
    "--nthreads",
    "1",
]


@dataclass
class DaskCluster:
    """A scheduler at `address`, and its workers; `folder` is for their logs and files."""

    address: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(
        self,
        config: Path,
        env: Mapping[str, str] | None = None,
        *,
        before: Sequence[str] = (),
        host: str = "127.0.0.1",
    ) -> subprocess.Popen[bytes]:
        """Start a worker without a nanny, so that it stays dead when it is killed; `before` is a command that runs it."""
        own = {**os.environ, "EDMS_BACKUP_CONFIG": str(config), **(env or {})}
        command = [
            *before,
            *_WORKER,
            "--host",
            host,
            "--lifetime",
            "45m",
            "--no-nanny",
            "--local-directory",
            str(self.folder),
            self.address,
        ]
        process = self._start(command, own, f"worker-{len(self.processes)}.log")
        self.processes.append(process)
        return process

    def wait_for(self, workers: int) -> None:
        """Wait until so many workers are there."""
        with Client(self.address, timeout=_SECONDS, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=_SECONDS)

    def _start(self, command: list[str], env: Mapping[str, str], log: str) -> subprocess.Popen[bytes]:
        with (self.folder / log).open("wb") as out:
            return subprocess.Popen(command, env=dict(env), stdout=out, stderr=subprocess.STDOUT, cwd=self.folder)


@contextmanager
def dask_cluster(folder: Path, host: str = "127.0.0.1") -> Iterator[DaskCluster]:
    """A scheduler at an address of this machine; workers are started by the caller, and all are ended here."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port(host)
    cluster = DaskCluster(f"tcp://{host}:{port}", folder)
    scheduler = cluster._start([*_SCHEDULER, "--host", host, "--port", str(port)], os.environ, "scheduler.log")
    try:
        _wait_until_open(host, port, scheduler)
        yield cluster
    finally:
        for process in [*cluster.processes, scheduler]:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _free_port(host: str) -> int:
    with socket.socket() as taken:
        taken.bind((host, 0))
        return int(taken.getsockname()[1])


def _wait_until_open(host: str, port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the scheduler ended"
        with socket.socket() as tried:
            if tried.connect_ex((host, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the scheduler did not start")
