"""Convert: an old backup of another tool becomes a snapshot, or is only looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback, command_error, from_request
from flows.requests import ConvertRequest, SchemaSource
from flows.running.field_descriptions import described

if TYPE_CHECKING:
    from rich.console import Console

    from flows.convert import ConvertResult
    from flows.convert_all import ConvertAllResult
    from flows.running.choose_runner import VerbRunner
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "convert /srv/old/database_backup.json --inspect",
    "convert /srv/old/database_backup.json",
    "convert /srv/old --all",
)


def convert(
    context: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="FILE-OR-FOLDER", help=described(ConvertRequest, "path"), show_default=False)
    ],
    every: Annotated[
        bool,
        typer.Option("--all", help="Convert every old backup below the folder; goes on where an earlier run stopped."),
    ] = False,
    inspect: Annotated[bool, from_request(ConvertRequest, "inspect")] = False,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help=described(ConvertRequest, "format"))
    ] = None,
    database: Annotated[str | None, from_request(ConvertRequest, "database", metavar="NAME")] = None,
    tag: Annotated[str | None, from_request(ConvertRequest, "tag", metavar="T")] = None,
    folder: Annotated[
        list[str] | None,
        typer.Option(
            "--folder",
            metavar="PATH=ROOT",
            help="Which of its folders holds which root's files: storage/docs=media. Can be given several times.",
        ),
    ] = None,
    schema: Annotated[SchemaSource, from_request(ConvertRequest, "schema", metavar="SOURCE")] = "migrations",
    reason: Annotated[str, from_request(ConvertRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a snapshot of an old backup of another tool, and say what it lacks."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        request = ConvertRequest(
            path=path,
            inspect=inspect,
            format=format_,
            database=database,
            tag=tag,
            folders=_folders(folder or ()),
            schema=schema,
            reason=reason,
        )
        if every:
            _all(options, options.runner(flow), request)
        result = options.runner(flow).perform(_convert, request)

        def show(console: Console) -> None:
            from flows.cli.printing.old_backups import print_conversion

            print_conversion(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _all(options: Options, runner: VerbRunner, request: ConvertRequest) -> None:
    result = runner.perform(_convert_all, request)

    def show(console: Console) -> None:
        from flows.cli.printing.old_backups import print_conversions

        print_conversions(console, result)

    options.finish(result.as_json(), show, 1 if result.incomplete else 0)


def _convert_all() -> Verb[ConvertRequest, ConvertAllResult]:
    from flows.convert_all import convert_all

    return convert_all


def _folders(words: Sequence[str]) -> dict[str, str]:
    folders: dict[str, str] = {}
    for word in words:
        place, equals, root = word.partition("=")
        if not (place and equals and root):
            raise command_error(f"--folder {word} is not understood.", "For example --folder storage/docs=media.")
        if folders.get(place, root) != root:
            raise command_error(f"--folder {place} is given for two roots.", "Give each folder once.")
        folders[place] = root
    return folders


def _convert() -> Verb[ConvertRequest, ConvertResult]:
    from flows.convert import convert

    return convert
