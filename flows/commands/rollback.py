"""Rollback: swap the last restore back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows.commands.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("rollback",)


def rollback(
    context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False
) -> None:
    """Swap the last promoted restore back."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.direct_steps import DirectSteps
        from flows.rollback import compose_rollback

        result = compose_rollback(settings, DirectSteps(options.progress_console()))

        def show(console: Console) -> None:
            from flows.printing import print_rollback

            print_rollback(console, result)

        options.finish(result.as_json(), show, 0)
