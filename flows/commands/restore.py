"""Restore: bring a snapshot back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.options import Config, Flow, Json, Options, Snapshot, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings

EXAMPLES = (
    "restore latest",
    "restore before-upgrade --yes",
    "restore latest --into edms_copy --into-files /tmp/copy",
)


def restore(
    context: typer.Context,
    snapshot: Snapshot,
    into: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Leave it as a database of this name (SQLite: a file) instead of promoting."),
    ] = None,
    into_files: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --into: the folder for the restored files.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before replacing the live system.")] = False,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Build a snapshot in a staging database, validate it, and promote it only if it is proved equal."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        if into_files is not None and into is None:
            raise command_error("--into-files needs --into.", "Add --into NAME, or leave --into-files out.")
        settings = options.settings()
        if into is None and not yes:
            _confirm(settings, snapshot, asking=not options.as_json and sys.stdin.isatty())
        result = options.world(flow).restore(snapshot, into, into_files)

        def show(console: Console) -> None:
            from flows.printing import print_restore

            print_restore(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _confirm(settings: Settings, snapshot: str, *, asking: bool) -> None:
    if not asking:
        raise command_error(
            "This restore replaces the live database and files, and nobody can be asked.",
            "Pass --yes, or --into NAME to leave the live system alone.",
        )
    from edms_tasks.repository import Repository
    from flows.listing import read_manifest
    from flows.terminal import printable

    repository = Repository.open(settings.repository)
    snapshot_id = repository.resolve(snapshot)
    manifest = read_manifest(repository, snapshot_id)
    tag = f", tag {manifest.tag}" if manifest.tag else ""
    typer.echo(
        printable(
            f"Snapshot {snapshot_id[:12]} of {manifest.created:%Y-%m-%d %H:%M:%S} UTC{tag} ({manifest.rows:,} rows) "
            f"will replace the database and files of {settings.edms.settings or 'the EDMS'}, once it is proved.\n"
            "The present ones are kept, and `edms-backup rollback` swaps them back."
        ),
        err=True,
    )
    try:
        confirmed = typer.confirm("Continue?", err=True)
    except typer.Abort:  # Ctrl-C
        raise typer.Exit(130) from None
    if not confirmed:
        raise command_error("Not confirmed: nothing was changed.", "Answer y, or pass --yes.")
