"""Serve a PostgreSQL of our own until standard input is closed, for scripts that are not Python.

    python -m tests.real.serve_postgres FILE

FILE is written once the server answers: `NAME='value'` lines that a shell can read with `.`.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from pathlib import Path

from tests.postgres_server import SUPERUSER, PostgresServer


def main() -> None:
    """Start the server, say where it is, and wait."""
    target = Path(sys.argv[1])
    # SIGTERM must unwind as well, or the server's folder would stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with PostgresServer() as server:
        facts = {
            "PG_HOST": "127.0.0.1",
            "PG_PORT": str(server.port),
            "PG_USER": SUPERUSER,
            "PG_PASSWORD": server.password,
            "PG_BIN": str(server.bin_dir),
            "PG_VERSION": server.version,
        }
        partial = target.with_name(target.name + ".part")
        # It holds the password.
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            stream.writelines(f"{name}={shlex.quote(value)}\n" for name, value in facts.items())
        partial.replace(target)
        sys.stdin.read()


if __name__ == "__main__":
    main()
