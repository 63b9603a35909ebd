"""What backups and restores of large systems cost: measured on small ones, fitted, predicted.

    python -m benchmarks.capacity measure                  every subject of cost_subjects.py, an hour; or those that are named
    python -m benchmarks.capacity fit                      the model of what was measured, and its errors where it knew nothing
    python -m benchmarks.capacity predict --rows 100e6 --files 10e6 --workers 8
    python -m benchmarks.capacity page                     the tables and the picture of docs/capacity.md

Every figure of `predict` is predicted. Machines, networks and prices are options; the prices are examples.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from benchmarks.capacity_page import PAGE, PICTURE, write_page
from benchmarks.cost_measuring import measure
from benchmarks.cost_model import compare, fit, read_model, write_model
from benchmarks.cost_plan import Machines, Plan, Prices, plan
from benchmarks.cost_points import VERBS, Size, read_points, with_point, write_points
from benchmarks.cost_subjects import SUBJECTS, Subject
from benchmarks.installation import ROOT, site

RESULTS = ROOT / "benchmarks" / "results"
# Of the reference EDMS, whose rows are measured; a small file of an EDMS is a scan of some pages.
VALUES_PER_ROW, ROW_BYTES, REFERENCES_PER_ROW, FILE_BYTES = 10.0, 225.0, 2.75, 100_000.0

_MACHINES = {
    "workers": "workers of a Dask cluster, of one thread each; 0: threads of one machine",
    "cores": "of that machine, or of the coordinator",
    "database_cores": "of the database server",
    "processor": "how many times as fast a core is as one of those that were measured",
    "source_mb": "MB a second from the disks of database and files",
    "store_mb": "MB a second to or from the store",
    "store_requests": "requests a second that the store answers",
    "latency_ms": "milliseconds until it answers one",
    "largest": "share of all rows that are in the largest table",
    "worker_memory_mb": "MB of memory of a worker",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the first argument says."""
    options = _options(arguments)
    if options.do == "measure":
        for subject in [SUBJECTS[name] for name in options.names or SUBJECTS]:
            _measure(subject, options.points, options.scratch)
    elif options.do == "fit":
        points = read_points(options.points)
        model = fit(points)
        write_model(model, options.model)
        for one in compare(model, [point for point in points if point.held_out]):
            print(
                f"{one.point}, {one.verb}, {one.part}: measured {one.measured:,.1f}, predicted {one.predicted:,.1f}, {one.told}"
            )
    elif options.do == "predict":
        plans = [_plan(verb, options) for verb in options.verbs]
        print(json.dumps([asdict(one) for one in plans], indent=1) if options.json else _told(plans))
    else:
        write_page(read_points(options.points), read_model(options.model), options.page, options.picture)


def size_of(options: argparse.Namespace) -> Size:
    """The size that the options name."""
    return Size(
        rows=options.rows,
        values=options.rows * options.values_per_row,
        row_bytes=options.rows * options.bytes_per_row,
        references=options.rows * options.references_per_row,
        files=options.files,
        file_bytes=options.files * options.bytes_per_file,
    )


def _measure(subject: Subject, points: Path, scratch: Path | None) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="edms-backup-capacity-", dir=scratch) as folder,
        site("postgresql", Path(folder) / "site") as here,
    ):
        point = measure(subject, here, Path(folder) / "runs")
    write_points(with_point(read_points(points), point), points)
    print(point, flush=True)


def _plan(verb: str, options: argparse.Namespace) -> Plan:
    machines = Machines(**{one.name: getattr(options, one.name) for one in fields(Machines)})
    prices = Prices(**{one.name: getattr(options, f"price_per_{one.name}") for one in fields(Prices)})
    return plan(read_model(options.model), verb, size_of(options), machines, prices)


def _told(plans: Sequence[Plan]) -> str:
    lines = ["All figures are predicted, none is measured."]
    for one in plans:
        lines.append(
            f"{one.verb:8} {one.hours:,.2f} h, slowest: {one.bound}; {one.core_hours:,.1f} core hours, {one.requests:,.0f} requests, "
            f"{one.stored_gb:,.1f} GB more stored, {one.memory_mb:,.0f} MB of memory"
            + (f" and {one.workers_memory_mb:,.0f} MB of all workers" if one.workers_memory_mb else "")
            + f"; {one.money:,.2f} for the run, {one.money_a_month:,.2f} a month for what it stores"
        )
    return "\n".join(lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=Path, default=RESULTS / "capacity.json", help="what was measured")
    parser.add_argument("--model", type=Path, default=RESULTS / "capacity-model.json", help="what was fitted to it")
    does = parser.add_subparsers(dest="do", required=True)
    measured = does.add_parser("measure", help="measure subjects")
    measured.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SUBJECTS))
    measured.add_argument("--scratch", type=Path, help="a folder for files and repositories")
    does.add_parser("fit", help="fit the model, and compare it with the points that were held out")
    written = does.add_parser("page", help="write the tables and the picture of docs/capacity.md")
    written.add_argument("--page", type=Path, default=PAGE)
    written.add_argument("--picture", type=Path, default=PICTURE)
    predicted = does.add_parser("predict", help="predict verbs at a size, on machines, at prices")
    predicted.add_argument("verbs", nargs="*", default=VERBS, metavar="VERB", help=", ".join(VERBS))
    predicted.add_argument("--json", action="store_true")
    for name, default, said in (
        ("rows", 0.0, "rows of all tables, also as 100e6"),
        ("values-per-row", VALUES_PER_ROW, "columns of a row, on average"),
        ("bytes-per-row", ROW_BYTES, "sum of pg_table_size by rows"),
        ("references-per-row", REFERENCES_PER_ROW, "foreign keys of a row, on average"),
        ("files", 0.0, "files of all roots"),
        ("bytes-per-file", FILE_BYTES, "of a file, on average"),
    ):
        predicted.add_argument(f"--{name}", type=float, default=default, help=f"{said} (default {default:g})")
    predicted.add_argument("--folder", dest="in_store", action="store_false", help="the repository is a folder")
    for name, said in _MACHINES.items():
        default = getattr(Machines, name)
        option = f"--{name.replace('_', '-')}"
        predicted.add_argument(option, type=type(default), default=default, help=f"{said} (default {default:g})")
    for one in fields(Prices):
        name = f"--price-per-{one.name.replace('_', '-')}"
        predicted.add_argument(name, type=float, default=one.default, help=f"example: {one.default:g}")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
