"""Config files: what the EDMS needs besides its data, out of a snapshot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Snapshot, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("config-files latest /tmp/edms-config",)


def config_files(
    context: typer.Context,
    snapshot: Snapshot,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write them; each under its whole path.")],
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Write the EDMS's files of settings that a snapshot has into a folder."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.config_files import restore_config_files

        result = restore_config_files(options.settings(), snapshot, folder)

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            for path, mode in zip(result.files, result.modes, strict=True):
                line(console, f"✓ {path} (mode at the backup: {mode:04o})")

        options.finish(result.as_json(), show, 0)
