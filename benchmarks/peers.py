"""The tools we are measured against: pg_dump and pg_restore, dumpdata and loaddata, tar and zstd."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from benchmarks.installation import ROOT, environment
from benchmarks.measured import Measured, run_measured, run_piped
from tests.reference_system import PROJECT, ReferenceEdms

# Generic references make loaddata fail or lie (see the README): audit rows, content types and permissions stay out.
FIXTURE_APPS = ("users", "documents", "workflows", "security", "placeholders")

_MANAGE = [sys.executable, str(PROJECT / "manage.py")]


def pg_dump(url: str, to: Path) -> Measured:
    """`pg_dump -Fc`, with its default compression."""
    return run_measured(["pg_dump", "-Fc", "-f", str(to), url], environment(), ROOT)


def pg_dump_zstd(url: str, to: Path) -> Measured:
    """`pg_dump | zstd -1`: plain SQL, the fastest compression of one core that people type."""
    return run_piped(["pg_dump", url], _zstd(1), to, environment(), ROOT)


def pg_dump_directory(url: str, to: Path) -> Measured:
    """`pg_dump -Fd -j2 -Z1`: tables side by side, one of which may be most of the database."""
    return run_measured(["pg_dump", "-Fd", "-j2", "-Z1", "-f", str(to), url], environment(), ROOT)


def pg_restore(dump: Path, url: str) -> Measured:
    """`pg_restore -j2` of an archive or a directory into an empty database."""
    return run_measured(
        ["pg_restore", "-j2", "--no-owner", "--exit-on-error", "-d", url, str(dump)], environment(), ROOT
    )


def dumpdata(edms: ReferenceEdms, to: Path) -> tuple[Measured, int]:
    """`dumpdata` by natural keys; returns the number of rows in the fixture too."""
    options = ["dumpdata", "--all", "--natural-foreign", "--natural-primary", "-o", str(to)]
    measured = _manage(edms, *options, *FIXTURE_APPS)
    return measured, len(json.loads(to.read_text(encoding="utf-8")))


def loaddata(edms: ReferenceEdms, fixture: Path) -> Measured:
    """`loaddata` of a fixture into a migrated EDMS."""
    return _manage(edms, "loaddata", str(fixture))


def django_start(edms: ReferenceEdms) -> Measured:
    """The time that Django needs to start and end a command that does nothing."""
    return _manage(edms, "dumpdata", "sessions")


def tar_zstd(folder: Path, to: Path) -> Measured:
    """`tar -c | zstd -3`, one thread each."""
    tar = ["tar", "-c", "-f", "-", "-C", str(folder), "."]
    return run_piped(tar, _zstd(3), to, environment(), ROOT)


def _zstd(level: int) -> list[str]:
    if shutil.which("zstd"):
        return ["zstd", f"-{level}", "-T1", "-q", "-c"]
    return [sys.executable, "-m", "benchmarks.zstd_pipe", str(level)]


def _manage(edms: ReferenceEdms, *arguments: str) -> Measured:
    return run_measured([*_MANAGE, *arguments], {**environment(), **edms.env}, ROOT)
