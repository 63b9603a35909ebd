"""Verify: read the repository again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback
from flows.requests import VerifyRequest

if TYPE_CHECKING:
    from rich.console import Console

    from flows.running.flow_decorators import Verb
    from flows.verify import VerifyResult

EXAMPLES = (
    "verify",
    "verify latest",
)


def verify(
    context: typer.Context,
    snapshot: Annotated[
        str | None,
        typer.Argument(metavar="[SNAPSHOT]", help="One snapshot (default: every one).", show_default=False),
    ] = None,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Read every object again, and check hashes and digests."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        result = options.runner(flow).perform(_verb, VerifyRequest(snapshot=snapshot))

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_verify

            print_verify(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _verb() -> Verb[VerifyRequest, VerifyResult]:
    from flows.verify import verify

    return verify
