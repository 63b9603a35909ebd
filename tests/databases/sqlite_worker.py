"""Another process that keeps an SQLite connection: answers each line of SQL with what came of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=2)
for line in sys.stdin:
    try:
        print("ok", connection.execute(line).fetchall(), flush=True)
    except sqlite3.Error as error:
        print("refused:", error, flush=True)
"""


class Worker:
    """The process, asked from here."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid

    def run(self, statement: str) -> str:
        """Have it run a statement; returns "ok [rows]" or "refused: why"."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{statement}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()


@contextmanager
def worker(path: Path) -> Iterator[Worker]:
    """A process connected to `path`, ended afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Worker(process)
        finally:
            process.kill()
