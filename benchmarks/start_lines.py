"""Start-up: the time of a command that has almost nothing to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, against
from benchmarks.installation import ROOT, Site, environment
from benchmarks.measured import run_measured
from benchmarks.ours import COMMAND, Protected


def start_lines(site: Site, times: int) -> Iterator[Figure]:
    """The help, and a backup of an EDMS without documents."""
    program = Path(sys.executable).with_name("edms-backup")
    shown = [str(program)] if program.exists() else COMMAND
    helped = [run_measured([*shown, "--help"], environment(), ROOT).seconds for _ in range(times)]
    yield against("edms-backup --help / 0.5 s", "seconds", median(helped), 0.5, 1.0)
    protected = Protected(site.install("without_documents", 0), site.folder / "start")
    runs = [protected.backup("--no-flow") for _ in range(times)]
    yield against(
        "backup of an EDMS without documents / 3 s", "seconds", median(run.whole.seconds for run in runs), 3.0, 1.0,
        rows=runs[-1].rows, seconds=runs[-1].seconds,
    )  # fmt: skip
    protected.forget()


def flow_lines(site: Site) -> Iterator[Figure]:
    """The same as a Prefect flow, with the temporary server that Prefect starts where there is no other.

    Prefect is given a home of its own. The first flow on a machine makes Prefect's database there; every other finds it.
    """
    protected = Protected(site.install("for_a_flow", 0), site.folder / "flow")
    home = {"PREFECT_HOME": str(site.folder / "prefect")}
    first, run = (protected.backup("--flow", env=home) for _ in range(2))
    yield against(
        "the same as a flow, with Prefect's temporary server / 15 s", "seconds", run.whole.seconds, 15.0, 1.0,
        rows=run.rows, seconds=run.seconds,
    )  # fmt: skip
    yield against(
        "the first flow on a machine, which makes Prefect's database / 15 s", "seconds", first.whole.seconds, 15.0, None,
        rows=first.rows, seconds=first.seconds,
    )  # fmt: skip
    protected.forget()
