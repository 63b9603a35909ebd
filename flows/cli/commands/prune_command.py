"""Prune: remove snapshots that no rule keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback, from_request
from flows.requests import PruneRequest

if TYPE_CHECKING:
    from rich.console import Console

    from flows.prune import PruneResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "prune --dry-run",
    "prune --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --keep-yearly 5 --keep-within 30d",
)


def _number(field: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = from_request(PruneRequest, field, metavar="N")
    option.min = 0
    return option


def prune(
    context: typer.Context,
    keep_last: Annotated[int | None, _number("keep_last")] = None,
    keep_hourly: Annotated[int | None, _number("keep_hourly")] = None,
    keep_daily: Annotated[int | None, _number("keep_daily")] = None,
    keep_weekly: Annotated[int | None, _number("keep_weekly")] = None,
    keep_monthly: Annotated[int | None, _number("keep_monthly")] = None,
    keep_yearly: Annotated[int | None, _number("keep_yearly")] = None,
    keep_within: Annotated[str | None, from_request(PruneRequest, "keep_within", metavar="DURATION")] = None,
    keep_tag: Annotated[list[str] | None, from_request(PruneRequest, "keep_tag", metavar="PATTERN")] = None,
    keep_set_aside: Annotated[str | None, from_request(PruneRequest, "keep_set_aside", metavar="DURATION")] = None,
    all_edms: Annotated[bool, from_request(PruneRequest, "all_edms")] = False,
    remove: Annotated[list[str] | None, from_request(PruneRequest, "remove", metavar="SNAPSHOT")] = None,
    reason: Annotated[str, from_request(PruneRequest, "reason", metavar="TEXT")] = "",
    dry_run: Annotated[bool, from_request(PruneRequest, "dry_run")] = False,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Remove the snapshots that no rule keeps, and the objects that only they need."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("" if dry_run else "prune"):
        request = PruneRequest(
            keep_last=keep_last,
            keep_hourly=keep_hourly,
            keep_daily=keep_daily,
            keep_weekly=keep_weekly,
            keep_monthly=keep_monthly,
            keep_yearly=keep_yearly,
            keep_within=keep_within,
            keep_tag=tuple(keep_tag or ()),
            keep_set_aside=keep_set_aside,
            all_edms=all_edms,
            remove=tuple(remove or ()),
            reason=reason,
            dry_run=dry_run,
        )
        result = options.runner(flow).perform(_verb, request)

        def show(console: Console) -> None:
            from flows.cli.printing.pruning import print_prune

            print_prune(console, result)

        options.finish(result.as_json(), show, 0)


def _verb() -> Verb[PruneRequest, PruneResult]:
    from flows.prune import prune

    return prune
