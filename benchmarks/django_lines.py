"""The database beside Django's own dumpdata and loaddata, which are slow: they get fewer rows, and rows per second are compared."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.database_lines import DatabaseRuns
from benchmarks.figures import Figure, against
from benchmarks.installation import Site
from benchmarks.measured import Measured
from benchmarks.peers import django_start, dumpdata, loaddata
from tests.reference_system import ReferenceEdms

_TARGETS = {"sqlite": 50, "postgresql": 100}


def lines_against_django(site: Site, edms: ReferenceEdms, runs: DatabaseRuns, slow_rows: int) -> Iterator[Figure]:
    """Backup against dumpdata, restore against loaddata, on one engine."""
    full = edms if runs.rows <= slow_rows else site.install("slow", slow_rows)
    fixture = site.folder / "fixture.json"
    start = django_start(full)
    dumped, rows = dumpdata(full, fixture)
    loaded = loaddata(site.install("empty", 0), fixture)
    for name, ours, peer in (
        ("backup / dumpdata", [run.database_seconds for run in runs.backups], dumped),
        ("restore / loaddata", [run.restored_seconds for run in runs.restores], loaded),
    ):
        yield against(
            f"{name} on {site.engine}", "rows/s", runs.rows / median(ours), rows / _at_work(peer, start), _TARGETS[site.engine],
            rows=runs.rows, note=f"dumpdata and loaddata were given {slow_rows:,} rows or so, and their start is not counted.",
        )  # fmt: skip


def _at_work(whole: Measured, start: Measured) -> float:
    """Seconds without Django's start, which on a million rows would not be seen, as long as they are most of it."""
    return whole.seconds - start.seconds if start.seconds < whole.seconds / 2 else whole.seconds
