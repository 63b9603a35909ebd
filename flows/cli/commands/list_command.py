"""List: the snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "list",
    "list --all",
    "list --json",
)


def list_(
    context: typer.Context,
    everyone: Annotated[
        bool, typer.Option("--all", help="List the snapshots of every EDMS in the repository, with names.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """List this EDMS's snapshots in their order, oldest first."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.listing import list_snapshots

        listing = list_snapshots(settings, everyone=everyone)

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_listing

            print_listing(console, listing)

        options.finish(listing.as_json(), show, 0 if listing.success else 1, only_prints=True)
