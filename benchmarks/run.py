"""One command, one run, one machine: our backup and restore against `dumpdata`/`loaddata` and `pg_dump`/`pg_restore`.

    python -m benchmarks.run --rows 100000 --output benchmarks/results/latest.json

Peers that crawl are measured on fewer rows and compared by rows a second. `loaddata` is given the models it can load:
generic references make it fail or lie (see the README), so audit rows, content types and permissions stay out of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measured import Measured, run_measured
from tests.postgres_server import PostgresServer
from tests.reference_system import PROJECT, Engine, ReferenceEdms

ROOT = Path(__file__).resolve().parent.parent
ROWS_PER_DOCUMENT = 22
_FIXTURE_MODELS = ("users", "documents", "workflows", "security", "placeholders")


@dataclass(frozen=True)
class Figure:
    """One comparison. `ratio` is ours by the peer's: seconds and bytes want it small, rows a second want it large."""

    name: str
    unit: str
    ours: float
    peer: float
    ratio: float
    target: float | None
    met: bool | None
    rows: int
    ours_peak_bytes: int
    peer_peak_bytes: int


def main(arguments: Sequence[str] | None = None) -> list[Figure]:
    """Measure, print and write; returns the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the EDMS that is measured")
    parser.add_argument("--slow-rows", type=int, default=4_000, help="rows of the EDMS dumpdata and loaddata get")
    parser.add_argument("--engine", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "latest.json")
    options = parser.parse_args(arguments)
    engines: tuple[Engine, ...] = ("sqlite", "postgresql") if options.engine == "both" else (options.engine,)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="edms-backup-bench-") as folder:
        for engine in engines:
            with _server(engine) as server:
                figures += _compare(engine, server, Path(folder) / engine, options.rows, options.slow_rows)
    _print(figures)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps([asdict(figure) for figure in figures], indent=1), encoding="utf-8")
    return figures


def _compare(engine: Engine, server: PostgresServer | None, folder: Path, rows: int, slow_rows: int) -> list[Figure]:
    edms = _populated(engine, server, folder / "edms", rows)
    ours = _measure_ours(edms, folder / "ours")
    figures = []
    if server is not None:
        dump = _tool(["pg_dump", "-Fc", "-f", str(folder / "peer.dump"), edms.database_url])
        server.create_database("peer_restored")
        restore = _tool(
            ["pg_restore", "-j2", "--no-owner", "-d", server.url("peer_restored"), str(folder / "peer.dump")]
        )
        stored = (folder / "peer.dump").stat().st_size
        figures += [
            _seconds("backup, database part / pg_dump -Fc", ours.database_seconds, dump, ours, 0.5),
            _seconds("restore, database part / pg_restore -j2", ours.restore_seconds, restore, ours, 1.0),
            _seconds("restore with validation / pg_restore -j2", ours.proved_seconds, restore, ours, 2.0),
            Figure("stored bytes / pg_dump -Fc", "bytes", ours.database_bytes, stored, ours.database_bytes / stored,
                   0.9, ours.database_bytes / stored <= 0.9, ours.rows, ours.backup.peak_bytes, dump.peak_bytes),
        ]  # fmt: skip
    slow = _populated(engine, server, folder / "slow", slow_rows)
    fixture = folder / "fixture.json"
    manage = [sys.executable, str(PROJECT / "manage.py")]
    dumpdata = run_measured(
        [*manage, "dumpdata", "--all", "--natural-foreign", "--natural-primary", "-o", str(fixture), *_FIXTURE_MODELS],
        {**os.environ, **slow.env},
        ROOT,
    )
    dumped = len(json.loads(fixture.read_text(encoding="utf-8")))
    empty = _populated(engine, server, folder / "empty", 0)
    loaddata = run_measured([*manage, "loaddata", str(fixture)], {**os.environ, **empty.env}, ROOT)
    target = 100 if engine == "postgresql" else 50
    figures += [
        _rate("backup / dumpdata", engine, ours.rows / ours.database_seconds, dumped / dumpdata.seconds, ours,
              ours.backup, dumpdata, target),
        _rate("restore / loaddata", engine, ours.rows / ours.restore_seconds, dumped / loaddata.seconds, ours,
              ours.restore, loaddata, target),
    ]  # fmt: skip
    return figures


@dataclass(frozen=True)
class _Ours:
    rows: int
    backup: Measured
    restore: Measured
    database_seconds: float  # extract, serialize and store, without files, probe and verification
    database_bytes: int
    restore_seconds: float  # stage, load, indexes, constraints, files
    proved_seconds: float  # the same with validation


def _measure_ours(edms: ReferenceEdms, folder: Path) -> _Ours:
    config = edms.settings_file(folder / "edms-backup.toml", folder / "repository")
    command = [sys.executable, "-m", "flows.cli"]
    backup = run_measured([*command, "backup", "--config", str(config), "--json"], os.environ, ROOT)
    made = json.loads(backup.output)
    into = str(folder / "restored.sqlite3") if edms.engine == "sqlite" else "ours_restored"
    restore = run_measured(
        [*command, "restore", made["snapshot"], "--into", into, "--yes", "--config", str(config), "--json"],
        os.environ,
        ROOT,
    )
    back = json.loads(restore.output)
    if not (made["verified"] and back["success"]):
        raise RuntimeError("a benchmark of something that is not proved means nothing")
    taken, brought = made["seconds"], back["seconds"]
    manifest = json.loads(
        (folder / "repository" / "snapshots" / f"{made['snapshot']}.json").read_text(encoding="utf-8")
    )
    restored = brought["stage"] + brought["restore"]
    return _Ours(
        rows=made["rows"],
        backup=backup,
        restore=restore,
        database_seconds=taken["extract"] + taken["serialize"] + taken["package"],
        database_bytes=sum(chunk["object"]["size"] for table in manifest["tables"] for chunk in table["chunks"]),
        restore_seconds=restored,
        proved_seconds=restored + brought["validate"],
    )


def _populated(engine: Engine, server: PostgresServer | None, folder: Path, rows: int) -> ReferenceEdms:
    media = folder / "media"
    media.mkdir(parents=True)
    url = f"sqlite:///{folder / 'edms.sqlite3'}" if server is None else server.create_database(f"edms_{folder.name}")
    edms = ReferenceEdms(engine=engine, database_url=url, media=media)
    edms.manage("migrate", "--verbosity", "0")
    if rows:
        edms.manage("populate", "--documents", str(max(rows // ROWS_PER_DOCUMENT, 1)), "--seed", "1")
    return edms


@contextmanager
def _server(engine: Engine) -> Iterator[PostgresServer | None]:
    if engine == "sqlite":
        yield None
        return
    with PostgresServer() as server:
        path = os.environ.get("PATH", "")
        os.environ["PATH"] = f"{server.bin_dir}{os.pathsep}{path}"
        try:
            yield server
        finally:
            os.environ["PATH"] = path


def _tool(command: Sequence[str]) -> Measured:
    return run_measured(command, os.environ, ROOT)


def _seconds(name: str, ours: float, peer: Measured, whole: _Ours, target: float) -> Figure:
    ratio = ours / peer.seconds
    mine = whole.backup if name.startswith("backup") else whole.restore
    return Figure(
        name,
        "seconds",
        ours,
        peer.seconds,
        ratio,
        target,
        ratio <= target,
        whole.rows,
        mine.peak_bytes,
        peer.peak_bytes,
    )


def _rate(
    name: str, engine: Engine, ours: float, peer: float, whole: _Ours, mine: Measured, theirs: Measured, target: float
) -> Figure:
    ratio = ours / peer
    label = f"{name} on {engine}"
    return Figure(
        label, "rows/s", ours, peer, ratio, target, ratio >= target, whole.rows, mine.peak_bytes, theirs.peak_bytes
    )


def _print(figures: Sequence[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Ours beside the peers, same machine, same run")
    for heading in ("figure", "rows", "ours", "peer", "unit", "ratio", "target", "met", "our peak", "peer's peak"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for f in figures:
        met = "" if f.met is None else ("yes" if f.met else "no")
        table.add_row(
            f.name, f"{f.rows:,}", f"{f.ours:,.2f}", f"{f.peer:,.2f}", f.unit, f"{f.ratio:.2f}", str(f.target), met,
            f"{f.ours_peak_bytes / 1e6:,.0f} MB", f"{f.peer_peak_bytes / 1e6:,.0f} MB",
        )  # fmt: skip
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
