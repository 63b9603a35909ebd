"""The newest PostgreSQL that the tests can have, for what only new versions know."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres_programs import wheel_bin_dirs
from tests.postgres_server import PostgresServer


@contextmanager
def newest_server(usual: PostgresServer) -> Iterator[PostgresServer | None]:
    """A server of version 18 or newer with its programs first in the PATH: the usual one, or the wheel's; None without any."""
    if _major(usual) >= 18:
        yield usual
        return
    folders = wheel_bin_dirs()
    if not folders:
        yield None
        return
    path = os.environ["PATH"]
    with PostgresServer(folders[0], in_memory=True) as newest:
        if _major(newest) < 18:
            yield None
            return
        os.environ["PATH"] = f"{newest.bin_dir}{os.pathsep}{path}"
        try:
            yield newest
        finally:
            os.environ["PATH"] = path


def _major(server: PostgresServer) -> int:
    return int(server.version.rpartition(" ")[2].partition(".")[0].rstrip(")"))
