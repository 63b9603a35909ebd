"""List: the snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows.commands.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "list",
    "list --json",
)


def list_(context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False) -> None:
    """List the snapshots, oldest first."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.listing import list_snapshots

        listing = list_snapshots(settings)

        def show(console: Console) -> None:
            from flows.printing import print_listing

            print_listing(console, listing)

        options.finish(listing.as_json(), show, 1 if listing.damaged else 0, only_prints=True)
