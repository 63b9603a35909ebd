"""How time grows with rows: our seconds and those of pg_dump and pg_restore at several sizes, as JSON and as a picture.

    python -m benchmarks.growth                                10 thousand, 100 thousand and a million rows
    python -m benchmarks.growth --rows 10000000                ten million; the sizes measured before are kept

Memory is recorded too: it is to stay where it is while the rows grow a thousandfold.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmarks.database_lines import DatabaseRuns, run_database
from benchmarks.installation import ROOT, site
from benchmarks.line_chart import Line, chart

RESULTS = ROOT / "benchmarks" / "results" / "growth.json"
PICTURE = ROOT / "docs" / "pictures" / "growth.svg"


@dataclass(frozen=True)
class Point:
    """One size, in seconds and bytes."""

    rows: int
    backup: float  # the database part
    pg_dump: float
    restore: float  # stage, load, indexes, constraints
    proved: float  # the same with validation and handover
    pg_restore: float
    backup_peak_bytes: int
    restore_peak_bytes: int


def main(arguments: Sequence[str] | None = None) -> list[Point]:
    """Measure each size in a fresh server; write JSON and picture; returns all points, the kept ones included."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="ROWS")
    parser.add_argument("--pairs", type=int, default=1, help="how often ours and the peer run in turn, at each size")
    parser.add_argument("--scratch", type=Path, help="a folder for the databases' files and repositories")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args(arguments)
    sizes = {_size(point.rows): point for point in read_points(options.output)}
    for rows in options.rows:
        with (
            tempfile.TemporaryDirectory(prefix="edms-backup-growth-", dir=options.scratch) as folder,
            site("postgresql", Path(folder) / "site") as here,
        ):
            point = _point(run_database(here, here.install("full", rows), options.pairs))
        sizes[_size(point.rows)] = point
        print(point, flush=True)
    points = [sizes[size] for size in sorted(sizes)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps([asdict(point) for point in points], indent=1) + "\n", encoding="utf-8")
    options.picture.write_text(draw(points), encoding="utf-8")
    return points


def read_points(path: Path) -> list[Point]:
    """The points of an earlier run; none where there is no file."""
    return [Point(**point) for point in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def draw(points: Sequence[Point]) -> str:
    """Seconds against rows, both logarithmic."""
    rows = [point.rows for point in points]
    return chart(
        "Seconds against rows",
        [
            Line("backup", rows, [point.backup for point in points], "#0b6e4f"),
            Line("pg_dump -Fc", rows, [point.pg_dump for point in points], "#0b6e4f", peer=True),
            Line("restore", rows, [point.restore for point in points], "#1f4e9c"),
            Line("pg_restore -j2", rows, [point.pg_restore for point in points], "#1f4e9c", peer=True),
            Line("restore, proved", rows, [point.proved for point in points], "#b3541e"),
        ],
        x_label="rows",
        y_label="seconds",
    )


def _point(runs: DatabaseRuns) -> Point:
    return Point(
        rows=runs.rows,
        backup=round(median(run.database_seconds for run in runs.backups), 3),
        pg_dump=round(median(run.seconds for run in runs.dumps), 3),
        restore=round(median(run.restored_seconds for run in runs.restores), 3),
        proved=round(median(run.proved_seconds for run in runs.restores), 3),
        pg_restore=round(median(run.seconds for run in runs.pg_restores), 3),
        backup_peak_bytes=max(run.whole.peak_bytes for run in runs.backups),
        restore_peak_bytes=max(run.whole.peak_bytes for run in runs.restores),
    )


def _size(rows: int) -> int:
    """The rows to one digit: what was asked for, without what the last copies made of it."""
    return int(float(f"{rows:.0e}"))


if __name__ == "__main__":
    main()
