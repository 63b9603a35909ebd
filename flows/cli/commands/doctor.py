"""Doctor: examine an EDMS before its first backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import All, Config, Json, Options, Traceback
from flows.requests import DoctorRequest

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("doctor", "doctor --html doctor.html", "doctor --json")


def doctor(
    context: typer.Context,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write the diagnosis as a page.")
    ] = None,
    every: All = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Check natural keys, references, files and secrets on the real rows, and say how to fix what is wrong."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.doctor import doctor as examine
        from flows.doctor import write_page
        from flows.running.run import Run
        from flows.running.threads import ThreadRunner

        result = examine.fn(Run(settings, ThreadRunner(options.progress_console())), DoctorRequest())
        if html is not None:
            write_page(result, html)

        def show(console: Console) -> None:
            from flows.cli.printing.diagnosis import print_diagnosis

            print_diagnosis(console, result, html, every=every)

        options.finish(result.as_json(), show, 0 if result.diagnosis.healthy else 1, only_prints=True)
