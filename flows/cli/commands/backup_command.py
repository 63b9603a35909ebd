"""Backup: make a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Flow, Json, Options, Traceback, from_request
from flows.requests import BackupRequest

if TYPE_CHECKING:
    from rich.console import Console

    from flows.backing_up.backup_result import BackupResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "backup",
    "backup --tag before-upgrade",
    "backup --reason CHG-1042",
)


def backup(
    context: typer.Context,
    tag: Annotated[str | None, from_request(BackupRequest, "tag", metavar="T")] = None,
    create_repository: Annotated[bool, from_request(BackupRequest, "create_repository")] = False,
    accept_repository: Annotated[bool, from_request(BackupRequest, "accept_repository")] = False,
    reason: Annotated[str, from_request(BackupRequest, "reason", metavar="TEXT")] = "",
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a snapshot of database and files, and read it back."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("backup"):
        from edms_tasks.lineage.snapshot_tags import check_tag

        if tag is not None:
            check_tag(tag)  # here as well: Prefect would refuse it with a message of its own
        request = BackupRequest(
            tag=tag, create_repository=create_repository, accept_repository=accept_repository, reason=reason
        )
        result = options.runner(flow).perform(_verb, request, ask_ahead=True)

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_backup

            print_backup(console, result)

        options.finish(result.as_json(), show, 1 if result.shortfall() else 0)


def _verb() -> Verb[BackupRequest, BackupResult]:
    from flows.backup import backup

    return backup
