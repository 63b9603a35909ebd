"""What Prefect's server costs a backup: the same one directly and as a flow, in turns, with the requests that the flow sends.

    python -m benchmarks.orchestrator [--documents 2000] [--pairs 3]

A new snapshot is made each time of a system that has not changed. The first flow on a server is not counted. The goal: not more than
a tenth, or 15 seconds, longer. Processor seconds are those of the command and what it starts, without the server's.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.prefect_server import prefect_server

_REQUEST = re.compile(rb"(?:GET|POST|PUT|PATCH|DELETE) (\S+) HTTP/1\.1\r\n")
_GOAL_SHARE, _GOAL_SECONDS = 0.10, 15.0


@dataclass
class Counter:
    """Forwards connections at an address of this machine to a server's port, and counts the requests in them."""

    port: int
    requests: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self._listener = socket.create_server((self.host, 0))
        self.own_port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                client.close()  # the server has ended
                continue
            threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                if counts:
                    self.requests += [found.decode() for found in _REQUEST.findall(data)]
                target.sendall(data)
            # Not `close`: while the other thread reads from a socket, closing it sends nothing, and whoever ends a websocket would
            # wait ten seconds for its end. That measured 27 seconds that no backup has.
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of both has hung up


def _measured(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Seconds, and processor seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(documents: int, pairs: int) -> dict[str, float]:
    """Backups of the demo's EDMS, directly and through a server."""
    demo = [sys.executable, "-m", "flows.cli.app", "demo", "--keep", "--json", "--documents", str(documents)]
    home = Path(json.loads(subprocess.run(demo, stdout=subprocess.PIPE, text=True, check=True).stdout)["folder"])
    plain: list[tuple[float, float]] = []
    flow: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        (config,) = home.glob("*.toml")
        command = [sys.executable, "-m", "flows.cli.app", "--config", str(config), "--quiet", "backup"]
        with prefect_server(Path(scratch) / "prefect", config) as server:
            counter = Counter(server.port)
            env = server.env | {"PREFECT_API_URL": f"http://127.0.0.1:{counter.own_port}/api"}
            _measured([*command, "--flow"], env)
            counter.requests.clear()
            for _ in range(pairs):
                plain.append(_measured([*command, "--no-flow"], dict(os.environ)))
                flow.append(_measured([*command, "--flow"], env))
    shutil.rmtree(home)
    seconds, processor = (statistics.median(one[part] for one in plain) for part in (0, 1))
    with_server, with_processor = (statistics.median(one[part] for one in flow) for part in (0, 1))
    return {
        "plain_seconds": round(seconds, 2),
        "server_seconds": round(with_server, 2),
        "added_seconds": round(with_server - seconds, 2),
        "plain_processor_seconds": round(processor, 2),
        "server_processor_seconds": round(with_processor, 2),
        "requests": len(counter.requests) / pairs,
        "met": with_server - seconds <= max(_GOAL_SECONDS, _GOAL_SHARE * seconds),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=2000)
    options.add_argument("--pairs", type=int, default=3)
    given = options.parse_args()
    sys.stdout.write(json.dumps(measure(given.documents, given.pairs), indent=1) + "\n")
