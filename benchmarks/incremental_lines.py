"""The second backup, after small changes: its time and its stored bytes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.changes import change_at_random, fill, work_goes_on
from benchmarks.figures import Figure, against
from benchmarks.installation import Site
from benchmarks.ours import Backup, Protected
from tests.reference_system import ReferenceEdms

_SHARE = 0.01
_ROWS_PER_FILE = 100
_MOST_FILES = 10_000


def incremental_lines(site: Site, edms: ReferenceEdms, rows: int, pairs: int) -> Iterator[Figure]:
    """Line 6, and the same for changes anywhere, which has no target. The EDMS is changed."""
    fill(edms, max(100, min(_MOST_FILES, rows // _ROWS_PER_FILE)))
    series = [_series(site, edms) for _ in range(pairs)]
    firsts = [runs[0] for runs in series]
    rows, files = firsts[-1].rows, firsts[-1].files
    for name, place, in_time, in_room in (
        ("1 % of rows and files changed, where work goes on", 1, 0.5, 0.03),
        ("1 % changed anywhere", 2, None, None),
    ):
        again = [runs[place] for runs in series]
        yield against(
            f"second backup, {name} / first backup", "seconds",
            median(run.whole.seconds for run in again), median(run.whole.seconds for run in firsts), in_time,
            rows=rows, note=f"Second backups are of {files:,} files too; the whole command counts.",
            seconds=again[-1].seconds,
        )  # fmt: skip
        yield against(
            f"growth of the repository, {name} / first backup", "bytes",
            median(runs[place].repository_bytes - runs[place - 1].repository_bytes for runs in series),
            median(run.repository_bytes for run in firsts), in_room, rows=rows,
        )  # fmt: skip


def _series(site: Site, edms: ReferenceEdms) -> list[Backup]:
    protected = Protected(edms, site.folder / "again")
    runs = []
    for change in (None, work_goes_on, change_at_random):
        if change is not None:
            change(edms, _SHARE)
        site.settle()
        runs.append(protected.backup())
    protected.forget()
    return runs
