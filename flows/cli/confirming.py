"""Ask for confirmation before the live system is changed, and name what would be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from flows.cli.options import command_error

if TYPE_CHECKING:
    from edms_tasks.settings import Settings


def live_system(settings: Settings) -> str:
    """The live database with its host, and the folders of files, one line each."""
    from flows.live.live_target import live_folders
    from flows.restoring.target import address_of, ask_edms
    from flows.running.run import Run

    report = ask_edms(Run(settings), [])
    lines = [f"  database  {address_of(settings, report).display}"]
    lines += [f"  files     {folder}" for folder in sorted(set(map(str, live_folders(settings, report).values())))]
    return "\n".join(lines)


def confirm(text: str, word: str = "") -> None:
    """Show what will happen, and continue only after a yes (or the given word).

    Raises:
        CommandError: it was not confirmed.
    """
    from flows.running.printable import printable

    # Line by line: `printable` would escape the ends of lines.
    typer.echo("\n".join(printable(line) for line in text.split("\n")), err=True)
    try:
        if word:
            confirmed = typer.prompt(f"Type {word!r} to continue", default="", show_default=False, err=True) == word
        else:
            confirmed = typer.confirm("Continue?", err=True)
    except typer.Abort:  # Ctrl-C
        raise typer.Exit(130) from None
    if not confirmed:
        raise command_error("Not confirmed: nothing was changed.", f"Answer {word or 'y'}, or pass --yes.")
