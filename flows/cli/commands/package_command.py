"""Export and import: one snapshot as one file, or as Django fixtures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli.options import Config, Flow, Json, Options, Snapshot, Traceback, command_error, from_request
from flows.requests import ExportRequest, FixtureRequest, ImportRequest
from flows.running.field_descriptions import described

if TYPE_CHECKING:
    from rich.console import Console

    from flows.fixtures import FixtureResult
    from flows.packages import PackageResult
    from flows.running.flow_decorators import Verb

EXPORT_EXAMPLES = (
    "export latest monday.edms-package",
    "restore monday.edms-package",
    "export latest /srv/fixtures --format dumpdata",
)
IMPORT_EXAMPLES = ("import monday.edms-package",)

Format = Literal["package", "dumpdata"]
PackageFile = Annotated[str, typer.Argument(metavar="FILE", help="The package, NAME.edms-package.")]


def export(
    context: typer.Context,
    snapshot: Snapshot,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="The package, NAME.edms-package; or the folder or file of the fixtures.",
            show_default=False,
        ),
    ],
    format_: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="`package`, or `dumpdata`: Django fixtures.")
    ] = "package",
    models: Annotated[
        list[str] | None, typer.Option("--model", metavar="NAME", help=described(FixtureRequest, "models"))
    ] = None,
    exclude: Annotated[list[str] | None, from_request(FixtureRequest, "exclude", metavar="NAME")] = None,
    natural_foreign: Annotated[bool, from_request(FixtureRequest, "natural_foreign")] = False,
    natural_primary: Annotated[bool, from_request(FixtureRequest, "natural_primary")] = False,
    indent: Annotated[int | None, from_request(FixtureRequest, "indent", metavar="N")] = None,
    without_files: Annotated[bool, from_request(FixtureRequest, "without_files")] = False,
    without_erasures: Annotated[str, from_request(FixtureRequest, "without_erasures", metavar="REASON")] = "",
    reason: Annotated[str, from_request(ExportRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Write a snapshot into one file, which can be restored without the repository; or as Django fixtures, with its files."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("export"):
        if format_ == "package":
            if (
                models
                or exclude
                or natural_foreign
                or natural_primary
                or indent is not None
                or without_files
                or without_erasures
            ):
                raise command_error("These options are of fixtures.", "Add --format dumpdata, or leave them out.")
            package = ExportRequest(snapshot=snapshot, file=target, reason=reason)
            _print(options, options.runner(flow).perform(_export, package))
            return
        request = FixtureRequest(
            snapshot=snapshot,
            target=target,
            models=tuple(models or ()),
            exclude=tuple(exclude or ()),
            natural_foreign=natural_foreign,
            natural_primary=natural_primary,
            indent=indent,
            without_files=without_files,
            without_erasures=without_erasures,
            reason=reason,
        )
        result = options.runner(flow).perform(_export_fixtures, request)

        def show(console: Console) -> None:
            from flows.cli.printing.exported_fixtures import print_fixtures

            print_fixtures(console, result)

        options.finish(result.as_json(), show, 1 if result.losses else 0)


def import_(
    context: typer.Context,
    file: PackageFile,
    identity: Annotated[Path | None, from_request(ImportRequest, "identity", metavar="FILE")] = None,
    reason: Annotated[str, from_request(ImportRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Add the snapshot of a package to the repository."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("import"):
        _print(
            options, options.runner(flow).perform(_import, ImportRequest(file=file, identity=identity, reason=reason))
        )


def _print(options: Options, result: PackageResult) -> None:
    def show(console: Console) -> None:
        from rich import filesize

        from flows.cli.printing.layout import line

        for note in result.notes:
            line(console, f"! {note}")
        line(
            console,
            f"✓ {result.what}: snapshot {result.snapshot_id[:12]}, {result.objects:,} objects read back and right",
        )
        line(
            console,
            f"{'package' if result.what == 'exported' else 'to':<10}{result.place}, {filesize.decimal(result.bytes)}",
        )

    options.finish(result.as_json(), show, 0)


def _export() -> Verb[ExportRequest, PackageResult]:
    from flows.packages import export

    return export


def _export_fixtures() -> Verb[FixtureRequest, FixtureResult]:
    from flows.fixtures import export_fixtures

    return export_fixtures


def _import() -> Verb[ImportRequest, PackageResult]:
    from flows.packages import import_package

    return import_package
