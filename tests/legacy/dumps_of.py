"""Dumps for tests: the file as it is, and what is compared of a database by the engine's own tool."""

from __future__ import annotations

import gzip
import re
import subprocess
from contextlib import closing
from pathlib import Path

from edms_tasks.databases.dumps import Dump, DumpForm
from edms_tasks.legacy.source import Source, is_damage
from tests.postgres_server import PostgresServer


def dump_of(path: Path, form: DumpForm) -> Dump:
    """The dump in a file or folder; a compressed text is read as the readers of old backups read it."""
    return Dump(form, path, lambda: Source(path).open(), is_damage)


def pg_dump(server: PostgresServer, url: str, path: Path, *options: str) -> Path:
    """A dump by the real tool."""
    subprocess.run([server.bin_dir / "pg_dump", *options, f"--file={path}", url], check=True, capture_output=True)
    return path


def as_pg_dump_says(server: PostgresServer, url: str) -> str:
    """Everything in a database but its owners, as text."""
    done = subprocess.run([server.bin_dir / "pg_dump", "--no-owner", url], check=True, capture_output=True, text=True)
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.MULTILINE)


def compressed(path: Path) -> Path:
    """The same file, gzipped."""
    made = path.with_name(f"{path.name}.gz")
    with closing(gzip.open(made, "wb")) as stream:
        stream.write(path.read_bytes())
    return made
