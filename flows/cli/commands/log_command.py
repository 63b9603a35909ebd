"""Log: what was done with the repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "log",
    "log 17",
    "log 17 --html report.html",
    "log --witness 17:3f2a…",
    "log --json",
)


def log(
    context: typer.Context,
    entry: Annotated[
        int | None,
        typer.Argument(
            metavar="NUMBER",
            min=1,
            help="One entry, with the report of its run (default: all entries).",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="With NUMBER: write the report's page into a file.")
    ] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="The same as a PDF.")] = None,
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
        if entry is None and (html is not None or pdf is not None):
            raise command_error(
                "--html and --pdf need the number of an entry.", "For example `edms-backup log 17 --html FILE`."
            )
        if entry is None:
            show_trail(options, witness)
        elif witness is not None:
            raise command_error("--witness is about the whole log.", "Omit the number.")
        else:
            _show_entry(options, entry, html, pdf)


def _show_entry(options: Options, number: int, html: Path | None, pdf: Path | None) -> None:
    """Print one entry and what its report says, and exit."""
    settings = options.settings()
    from flows.auditing.one_report import read_report, write_report

    found = read_report(settings, number)
    written = write_report(found, html, pdf)

    def show(console: Console) -> None:
        from flows.cli.printing.audit_trail_table import print_report

        print_report(console, found, written)

    options.finish(found.as_json(), show, 0, only_prints=True)


def show_trail(options: Options, witness: str | None) -> None:
    """Print the trail and what is wrong with it, and exit: also for `verify --chain`."""
    settings = options.settings()
    from flows.audit_trail import read_audit_trail

    trail = read_audit_trail(settings, witness)

    def show(console: Console) -> None:
        from flows.cli.printing.audit_trail_table import print_audit_trail

        print_audit_trail(console, trail)

    options.finish(trail.as_json(), show, 0 if trail.success else 1, only_prints=True)
