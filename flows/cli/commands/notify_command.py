"""Notify: try the signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("notify --test",)


def notify(
    context: typer.Context,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test on every way of [notify], and say what came of it.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Try webhook, e-mail and pings of the settings; exit code 1 if one of them fails."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        if not test:
            raise command_error(
                "Nothing is sent without --test.", "Runs tell by themselves how they end: docs/signals.md."
            )
        settings = options.settings()
        from flows.notify import send_test

        results = send_test(settings)
        failed = any(results.values())

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            for name, why in results.items():
                line(console, f"✗ {name}: {why}" if why else f"✓ {name}")

        options.finish({"success": not failed, "ways": dict(results)}, show, 1 if failed else 0)
