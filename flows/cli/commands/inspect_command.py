"""Inspect: print the inventory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows.cli.options import Config, Json, Options, Traceback
from flows.requests import InspectRequest

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "inspect",
    "inspect --json",
)


def inspect(context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False) -> None:
    """Print the inventory: models, rows, keys, references, file roots, migration state."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.inspection import inspect as take_inventory
        from flows.running.run import Run
        from flows.running.threads import ThreadRunner

        result = take_inventory.fn(Run(settings, ThreadRunner(options.progress_console())), InspectRequest())

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_inspection

            print_inspection(console, result)

        options.finish(result.as_json(), show, 0, only_prints=True)
