"""Erase and erasures: the ledger of people whose data was erased in the EDMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.commands.hold_command import By, Reason
from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    'erase users.User:ann --column email=email --column first_name=name --column last_name=name --reason "request 17"',
    'erase documents.Comment:id=812 --reason "request 18"',
    'erase --withdraw 3f2a9c01d2e4 --reason "it was another Ann"',
)
LIST_EXAMPLES = ("erasures", "erasures --json")


def erase(
    context: typer.Context,
    reason: Reason,
    row: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL:KEY", help="The row, by its natural key or as MODEL:COLUMN=VALUE.", show_default=False
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="FIELD=KIND",
            help="Erase only this column, by a kind of pseudonym; without it the row is deleted.",
        ),
    ] = None,
    several: Annotated[bool, typer.Option("--several", help="The value may be that of more than one row.")] = False,
    withdraw: Annotated[
        str | None,
        typer.Option(
            "--withdraw", metavar="ID", help="Instead: this erasure is not applied any more.", show_default=False
        ),
    ] = None,
    by: By = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Record that a row was erased in the EDMS: every restore and merge of an earlier snapshot erases it again."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows import erasures as ledger

        settings = options.settings()
        if (row is None) == (withdraw is None):
            raise command_error("Name a row, or an erasure to --withdraw.", "See `edms-backup erase --help`.")
        if withdraw is not None:
            gone = ledger.withdraw(settings, withdraw, reason=reason, by=by)
            options.finish({"withdrawn": gone}, lambda console: console.print(f"withdrawn erasure {gone[:12]}"), 0)
            return
        assert row is not None
        recorded = ledger.record(settings, row, column or [], reason=reason, by=by, several=several)
        made, erased = recorded.id, recorded.erased
        becomes = ", ".join(f"{name}: {kind}" for name, kind in erased.columns.items()) or "the row is deleted"

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            whose = "a row" if recorded.rows == 1 else f"{recorded.rows:,} rows"
            line(console, f"recorded  erasure {made[:12]} of {whose} of {erased.label}: {becomes}")
            for warning in recorded.warnings:
                line(console, f"! {warning}")
            line(
                console,
                "Restores and merges of earlier snapshots apply it again. Erase the row in the EDMS, too; this command does not.",
            )

        facts = {
            "id": made,
            "model": erased.label,
            "columns": erased.columns,
            "rows": recorded.rows,
            "warnings": list(recorded.warnings),
        }
        options.finish(facts, show, 0)


def erasures(
    context: typer.Context,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """List the erasures, and in which snapshots the erased data still is."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.erasures import listed

        found = listed(options.settings())
        facts: list[dict[str, Any]] = [one.as_json() for one in found.lines]

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            for one in found.lines:
                line(
                    console,
                    f"{one.erasure.id[:12]}  {one.erasure.at:%Y-%m-%d}  {one.erasure.erased.label}  {one.erasure.reason}",
                )
                line(console, f"              {one.still_in}")
            for doubt in found.doubts:
                line(console, f"! {doubt}")
            if not found.lines:
                line(console, "There are no erasures.")

        options.finish(
            {"erasures": facts, "doubts": list(found.doubts)}, show, 1 if found.doubts else 0, only_prints=True
        )
