"""Log: what was done with the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "log",
    "log --witness 17:3f2a…",
    "log --json",
)


def log(
    context: typer.Context,
    witness: Annotated[
        str | None,
        typer.Option(metavar="LINE", help="A line from a report, NUMBER:SHA-256, which the log must still contain."),
    ] = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Show and check the trail of all backups, restores, merges and changes of keys."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        show_trail(options, witness)


def show_trail(options: Options, witness: str | None) -> None:
    """Print the trail and what is wrong with it, and exit: also for `verify --chain`."""
    settings = options.settings()
    from flows.audit_trail import read_audit_trail

    trail = read_audit_trail(settings, witness)

    def show(console: Console) -> None:
        from flows.cli.printing.audit_trail_table import print_audit_trail

        print_audit_trail(console, trail)

    options.finish(trail.as_json(), show, 0 if trail.success else 1, only_prints=True)
