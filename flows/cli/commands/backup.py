"""Backup: make a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "backup",
    "backup --tag before-upgrade",
)


def backup(
    context: typer.Context,
    tag: Annotated[str | None, typer.Option(metavar="T", help="A name for the snapshot.")] = None,
    create_repository: Annotated[
        bool,
        typer.Option("--create-repository", help="Make a repository where there is none, though one was used before."),
    ] = False,
    accept_repository: Annotated[
        bool,
        typer.Option(
            "--accept-repository", help="Go on with the repository there is, though it is another one or an older copy."
        ),
    ] = False,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a snapshot of database and files, and read it back."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from edms_tasks.lineage.tags import check_tag

        if tag is not None:
            check_tag(tag)  # here too: a flow's form would refuse it in words of its own
        result = options.runner(flow).backup(
            tag, create_repository=create_repository, accept_repository=accept_repository
        )

        def show(console: Console) -> None:
            from flows.cli.printing.results import print_backup

            print_backup(console, result)

        options.finish(result.as_json(), show, 0 if result.verified else 1)
