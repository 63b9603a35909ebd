"""One command, one run, one machine: ours beside pg_dump, pg_restore, dumpdata, loaddata, tar and zstd.

    python -m benchmarks.run                                            a million rows, three pairs, 100,000 files
    python -m benchmarks.run --rows 100000 --pairs 1 --files 10000      quick
    python -m benchmarks.run --rows 10000000 --pairs 1 --parts pg --add

Ours and the peer run in turn, and medians are compared. Without `--add` the output is written anew; with it, only what
is measured again at the same size is replaced.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from benchmarks.database_lines import DatabaseRuns, lines_against_pg, run_database
from benchmarks.django_lines import lines_against_django
from benchmarks.figures import Figure, merged, print_figures, read_figures, write_figures
from benchmarks.file_lines import file_lines
from benchmarks.incremental_lines import incremental_lines
from benchmarks.installation import ROOT, Site, site
from benchmarks.machine import write_machine
from benchmarks.start_lines import flow_lines, start_lines
from tests.reference_system import Engine, ReferenceEdms

LATEST = ROOT / "benchmarks" / "results" / "latest.json"


def main(arguments: Sequence[str] | None = None) -> list[Figure]:
    """Measure, print and write; returns the figures that were measured."""
    options = _options(arguments)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="edms-backup-bench-", dir=options.scratch) as folder, ExitStack() as stack:
        subjects = {engine: _Subject(engine, Path(folder), options, stack) for engine in ("postgresql", "sqlite")}
        for part in options.parts:
            engine, lines = PARTS[part]
            for figure in lines(subjects[engine], options):
                figures.append(figure)
                print(f"{figure.name}: {figure.ratio:.3f}", flush=True)
        write_machine(options.output, subjects["postgresql"].version)
    print_figures(figures)
    write_figures(merged(read_figures(options.output), figures) if options.add else figures, options.output)
    return figures


class _Subject:
    """One engine's large EDMS and the runs over it, made when a part first needs them, for all parts."""

    def __init__(self, engine: Engine, folder: Path, options: argparse.Namespace, stack: ExitStack) -> None:
        self._engine = engine
        self._folder = folder
        self._options = options
        self._stack = stack

    @cached_property
    def site(self) -> Site:
        """The place of the installation."""
        return self._stack.enter_context(site(self._engine, self._folder / self._engine))

    @property
    def version(self) -> str:
        """The server's version; empty if no measured part needs a server."""
        server = self.site.server if "site" in self.__dict__ else None
        return server.version if server is not None else ""

    @cached_property
    def edms(self) -> ReferenceEdms:
        """The large EDMS."""
        return self.site.install("full", self._options.rows)

    @cached_property
    def runs(self) -> DatabaseRuns:
        """Backups and restores of the EDMS, and those of the other tools."""
        return run_database(self.site, self.edms, self._options.pairs)


Lines = Callable[[_Subject, argparse.Namespace], Iterator[Figure]]
# The incremental part changes the EDMS, so those that measure it as it is come before.
PARTS: dict[str, tuple[Engine, Lines]] = {
    "pg": ("postgresql", lambda subject, _: lines_against_pg(subject.runs)),
    "django-postgresql": (
        "postgresql",
        lambda subject, options: lines_against_django(subject.site, subject.edms, subject.runs, options.slow_rows),
    ),
    "django-sqlite": (
        "sqlite",
        lambda subject, options: lines_against_django(subject.site, subject.edms, subject.runs, options.slow_rows),
    ),
    "incremental": (
        "postgresql",
        lambda subject, options: incremental_lines(subject.site, subject.edms, options.rows, options.pairs),
    ),
    "files": ("sqlite", lambda subject, options: file_lines(subject.site, options.files, options.pairs)),
    "start": ("postgresql", lambda subject, options: start_lines(subject.site, options.pairs)),
    "flow": ("postgresql", lambda subject, _: flow_lines(subject.site)),
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the EDMS that is measured")
    parser.add_argument("--files", type=int, default=100_000, help="files of the folder that is measured")
    parser.add_argument("--slow-rows", type=int, default=8_000, help="rows of the EDMS dumpdata and loaddata get")
    parser.add_argument("--pairs", type=int, default=3, help="how often ours and the peer run in turn")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--scratch", type=Path, help="a folder for the databases' files and repositories")
    parser.add_argument("--add", action="store_true", help="keep the other figures that the output holds")
    parser.add_argument("--output", type=Path, default=LATEST)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
