"""Erase and erasures: the ledger of people whose data was erased in the EDMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.commands.hold_command import By, Reason
from flows.cli.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    'erase users.User:ann --column email=email --column first_name=name --column last_name=name --reason "request 17"',
    'erase documents.Comment:id=812 --reason "request 18"',
)
LIST_EXAMPLES = ("erasures", "erasures --json")


def erase(
    context: typer.Context,
    row: Annotated[
        str,
        typer.Argument(
            metavar="MODEL:KEY", help="The row, by its natural key or as MODEL:COLUMN=VALUE.", show_default=False
        ),
    ],
    reason: Reason,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="FIELD=KIND",
            help="Erase only this column, by a kind of pseudonym; without it the row is deleted.",
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
        from flows.erasures import record

        settings = options.settings()
        made, erased = record(settings, row, column or [], reason=reason, by=by)
        becomes = ", ".join(f"{name}: {kind}" for name, kind in erased.columns.items()) or "the row is deleted"

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            line(console, f"recorded  erasure {made[:12]} of a row of {erased.label}: {becomes}")
            line(
                console,
                "Restores and merges of earlier snapshots apply it again. Erase the row in the EDMS, too; this command does not.",
            )

        options.finish({"id": made, "model": erased.label, "columns": erased.columns}, show, 0)


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

        options.finish({"erasures": facts, "doubts": list(found.doubts)}, show, 0, only_prints=True)
