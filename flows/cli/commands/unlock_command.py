"""Unlock: remove the lock that a run left in a repository on a server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.confirming import confirm
from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("unlock", "unlock --yes")


def unlock(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the lock is removed.")] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Remove the repository's lock after a run that is gone; shows whose it is, and asks."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from edms_tasks.repository.backend import open_backend
        from edms_tasks.repository.unlocking import find_locks, remove_locks

        backend = open_backend(options.settings().repository)
        found = find_locks(backend)
        if found and not yes:
            shown = "\n".join(
                f"  {one.described}{' (the next run takes it over by itself)' if one.over else ''}" for one in found
            )
            if options.as_json or not sys.stdin.isatty():
                raise command_error(
                    f"The repository is locked, and there is no terminal to ask for confirmation.\n{shown}",
                    "If that run is gone for certain, pass --yes.",
                )
            confirm(
                f"The repository {backend.display} is locked by:\n{shown}\nIf that run still writes, two runs disturb each other: "
                "neither loses what is stored, but the one whose lock is removed fails."
            )
        remove_locks(backend, found)

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            for one in found:
                line(console, f"unlocked  {one.described}")
            if not found:
                line(console, "no lock to remove")

        options.finish({"unlocked": [one.described for one in found]}, show, 0)
