"""Export and import: one snapshot as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Snapshot, Traceback, from_request
from flows.requests import ExportRequest, ImportRequest

if TYPE_CHECKING:
    from rich.console import Console

    from flows.packages import PackageResult
    from flows.running.flow_decorators import Verb

EXPORT_EXAMPLES = ("export latest monday.edms-package", "restore monday.edms-package")
IMPORT_EXAMPLES = ("import monday.edms-package",)

PackageFile = Annotated[str, typer.Argument(metavar="FILE", help="The package, NAME.edms-package.")]


def export(
    context: typer.Context,
    snapshot: Snapshot,
    file: PackageFile,
    reason: Annotated[str, from_request(ExportRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Write a snapshot into one file, which can be restored without the repository."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("export"):
        _print(
            options, options.runner(flow).perform(_export, ExportRequest(snapshot=snapshot, file=file, reason=reason))
        )


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


def _import() -> Verb[ImportRequest, PackageResult]:
    from flows.packages import import_package

    return import_package
