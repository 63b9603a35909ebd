"""Rollback: make live again what a restore set aside."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.confirming import confirm
from flows.cli.options import Config, Json, NoWait, Options, Traceback, command_error, from_request
from flows.requests import RollbackRequest

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings

EXAMPLES = ("rollback", "rollback --list", "rollback 20261122T233000 --yes")


def rollback(
    context: typer.Context,
    stamp: Annotated[
        str | None,
        typer.Argument(
            metavar="STAMP",
            help="The stamp of the restore or rollback to undo, from --list (default: the last restore).",
            show_default=False,
        ),
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List what can be rolled back to; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before replacing the live system.")] = False,
    reason: Annotated[str, from_request(RollbackRequest, "reason", metavar="TEXT")] = "",
    no_wait: NoWait = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Undo the last promoted restore; with a stamp, undo any restore or rollback."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        if list_:
            from flows.rollback import list_ways_back

            ways = list_ways_back(settings)

            def show_ways(console: Console) -> None:
                from flows.cli.printing.closing_summaries import print_ways_back

                print_ways_back(console, ways)

            options.finish(ways.as_json(), show_ways, 0)
        if not yes:
            stamp = _confirm(settings, stamp, asking=not options.as_json and sys.stdin.isatty())
        from flows.rollback import rollback as swap_back
        from flows.running.run import Run
        from flows.running.threads import ThreadRunner

        request = RollbackRequest(stamp=stamp, confirm=True, wait=not no_wait, reason=reason)

        result = swap_back.fn(Run(settings, ThreadRunner(options.progress_console())), request)

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_rollback

            print_rollback(console, result)

        options.finish(result.as_json(), show, 0)


def _confirm(settings: Settings, stamp: str | None, *, asking: bool) -> str:
    """Ask for confirmation. Returns the stamp that was shown, so that nothing else is swapped."""
    if not asking:
        raise command_error(
            "This rollback replaces the live database and files, and there is no terminal to ask for confirmation.",
            "Pass --yes. `edms-backup rollback --list` shows what can be rolled back to.",
        )
    from flows.rollback import find_way_back

    now, way = find_way_back(settings, stamp)
    lines = [
        f"Goes live:    {way.what}",
        f"  database    {way.database}",
        *(f"  files       {previous or 'none'} -> {live}" for live, previous in way.folders),
        f"Set aside:    {now.now}",
        f"  database    {now.live}",
        "What is set aside is kept; `edms-backup rollback --list` names it.",
    ]
    confirm("\n".join(lines))
    return way.stamp
