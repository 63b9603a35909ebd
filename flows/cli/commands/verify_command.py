"""Verify: read the repository again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.commands.log_command import show_trail
from flows.cli.options import Config, Flow, Json, Options, Traceback, command_error, from_request
from flows.requests import VerifyRequest

if TYPE_CHECKING:
    from rich.console import Console

    from flows.running.flow_decorators import Verb
    from flows.verify import VerifyResult

EXAMPLES = (
    "verify",
    "verify latest",
    "verify --structure",
    "verify --sample 5%",
    "verify --chain",
)


def verify(
    context: typer.Context,
    snapshot: Annotated[
        str | None,
        typer.Argument(metavar="SNAPSHOT", help="One snapshot (default: every one).", show_default=False),
    ] = None,
    structure: Annotated[bool, from_request(VerifyRequest, "structure")] = False,
    sample: Annotated[str | None, from_request(VerifyRequest, "sample", metavar="PERCENT")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Read everything (the default).")] = False,
    chain: Annotated[
        bool,
        typer.Option(
            "--chain", help="Check the log, the order and the signatures instead, and print the trail: as `log`."
        ),
    ] = False,
    reason: Annotated[str, from_request(VerifyRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Read every object again, and check hashes and digests; or only a part of them, or none."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("verify"):
        if structure + (sample is not None) + everything + chain > 1:
            raise command_error("--structure, --sample, --all and --chain exclude each other.", "Choose one.")
        if chain:
            if snapshot is not None:
                raise command_error("--chain checks all snapshots.", "Omit the name.")
            show_trail(options, None)
        request = VerifyRequest(
            snapshot=snapshot,
            structure=structure,
            sample=_percent(sample) if sample is not None else None,
            reason=reason,
        )
        result = options.runner(flow).perform(_verb, request)

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_verify

            print_verify(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _percent(text: str) -> float:
    """The number in `5%` or `5`; raises CommandError."""
    try:
        percent = float(text.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise command_error(f"{text!r} is no part of the whole.", "Name a percentage: --sample 5%.")
    return percent


def _verb() -> Verb[VerifyRequest, VerifyResult]:
    from flows.verify import verify

    return verify
