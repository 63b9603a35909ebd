"""Drill: a restore that is tried and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback, from_request
from flows.requests import DrillRequest
from flows.running.field_descriptions import described

if TYPE_CHECKING:
    from rich.console import Console

    from flows.drill import DrillResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "drill",
    "drill before-upgrade",
    "drill --random",
    "drill --random --seed 1234567",
)


def drill(
    context: typer.Context,
    snapshot: Annotated[
        str, typer.Argument(metavar="SNAPSHOT", help=described(DrillRequest, "snapshot"), show_default=False)
    ] = "latest",
    random: Annotated[bool, from_request(DrillRequest, "random")] = False,
    seed: Annotated[int | None, from_request(DrillRequest, "seed", metavar="NUMBER")] = None,
    reason: Annotated[str, from_request(DrillRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Restore a snapshot beside the live system, prove it, try it with the EDMS, measure, and remove it again.

    The settings (section drill) have the commands that must succeed on the copy, and the targets for time (rto) and age (rpo).
    The live system is not touched. Exit code 1: the drill failed.
    """
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("drill"):
        request = DrillRequest(snapshot=snapshot, random=random, seed=seed, reason=reason)
        result = options.runner(flow).perform(_verb, request)

        def show(console: Console) -> None:
            from flows.cli.printing.drilling import print_drill

            print_drill(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _verb() -> Verb[DrillRequest, DrillResult]:
    from flows.drill import drill

    return drill
