"""Demo: the whole cycle, in a temporary folder."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import Json, Options, Traceback

EXAMPLES = (
    "demo",
    "demo --keep",
    "demo --postgres postgresql://user@localhost/postgres",
)


def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder: EDMS, repository, settings.")] = False,
    postgres: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Run on this PostgreSQL server, in a new database (default: SQLite)."),
    ] = None,
    documents: Annotated[int, typer.Option(min=1, metavar="N", help="Documents to create.")] = 1000,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Create a real EDMS in a temporary folder, back it up, destroy it, restore it, and show that it is equal."""
    options = Options.of(context, None, as_json, traceback)
    with options.reporting():
        from flows.cli.printing.demo_story import print_demo
        from flows.demo import run_demo

        result = run_demo(keep=keep, postgres=postgres, documents=documents, console=options.progress_console())
        options.finish(result.as_json(), lambda console: print_demo(console, result), 0 if result.proved else 1)
