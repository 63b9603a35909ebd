"""Copy: a second copy of the repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback, from_request
from flows.requests import CopyRequest

if TYPE_CHECKING:
    from rich.console import Console

    from flows.copy import CopyResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "copy",
    "copy --to /mnt/usb/edms",
)


def copy(
    context: typer.Context,
    to: Annotated[str | None, from_request(CopyRequest, "to", metavar="URL")] = None,
    reason: Annotated[str, from_request(CopyRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Bring a second copy of the repository up to date, and read back what was written."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("copy"):
        result = options.runner(flow).perform(_verb, CopyRequest(to=to, reason=reason))

        def show(console: Console) -> None:
            from flows.cli.printing.copies import print_copy

            print_copy(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _verb() -> Verb[CopyRequest, CopyResult]:
    from flows.copy import copy

    return copy
