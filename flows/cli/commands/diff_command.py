"""Diff: compare two snapshots, or a snapshot and the live system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Snapshot, Traceback, from_request
from flows.requests import DiffRequest
from flows.running.field_descriptions import described

if TYPE_CHECKING:
    from rich.console import Console

    from flows.diff import DiffResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "diff latest",
    "diff monday tuesday --model documents.Document --limit 50",
    "diff 3fa81c02 live --out differences --html differences.html",
)


def diff(
    context: typer.Context,
    snapshot: Snapshot,
    other: Annotated[
        str | None,
        typer.Argument(metavar="SNAPSHOT|live", help="What to compare it with (default: live).", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Only this model, and no files. Can be given several times."),
    ] = None,
    limit: Annotated[int, typer.Option(min=0, metavar="N", help=described(DiffRequest, "limit"))] = 5,
    out: Annotated[Path | None, from_request(DiffRequest, "out", metavar="FOLDER")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write the result as a page.")
    ] = None,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Show what differs between two snapshots, or a snapshot and the live system: rows by natural key, and files."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        request = DiffRequest(
            snapshot=snapshot,
            other=other,
            models=tuple(model or ()),
            limit=limit,
            out=out.absolute() if out else None,
        )
        from edms_tasks.report.output_files import HTML, require_output

        require_output(html, HTML, "--html")
        result = options.runner(flow).perform(_verb, request)
        if html is not None:
            from flows.diff import write_page

            write_page(result, html)

        def show(console: Console) -> None:
            from flows.cli.printing.differences import print_diff

            print_diff(console, result, html)

        options.finish(result.as_json(), show, 0 if result.equal else 1, only_prints=True)


def _verb() -> Verb[DiffRequest, DiffResult]:
    from flows.diff import diff

    return diff
