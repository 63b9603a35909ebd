"""Convert: an old backup of another tool becomes a snapshot, or is only looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback, from_request
from flows.requests import ConvertRequest, described

if TYPE_CHECKING:
    from rich.console import Console

    from flows.convert import ConvertResult
    from flows.running.flow_decorators import Verb

EXAMPLES = ("convert /srv/old/database_backup.json --inspect",)


def convert(
    context: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="FILE-OR-FOLDER", help=described(ConvertRequest, "path"), show_default=False)
    ],
    inspect: Annotated[bool, from_request(ConvertRequest, "inspect")] = False,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help=described(ConvertRequest, "format"))
    ] = None,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Say what an old backup of another tool holds and lacks."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        request = ConvertRequest(path=path, inspect=inspect, format=format_)
        result = options.runner(flow).perform(_convert, request)

        def show(console: Console) -> None:
            from flows.cli.printing.old_backups import print_conversion

            print_conversion(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _convert() -> Verb[ConvertRequest, ConvertResult]:
    from flows.convert import convert

    return convert
