"""Approver: make the secret with which somebody confirms approvals by one-time codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("approver anna",)


def approver(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The person's name, as it will stand in log and reports.")
    ],
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a secret for somebody who approves deployed runs: a QR code for an authenticator app, and a line for the settings."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.approval.one_time_codes import new_secret, uri_for_apps

        settings = options.settings()
        name = name.strip()
        if not name or not name.isprintable():
            why = "Its characters cannot all be printed, such as a line break." if name else "It is empty."
            raise command_error(f"This is no name for an approver. {why}", "For example `edms-backup approver anna`.")
        if name in settings.approval.approvers:
            raise command_error(
                f"{name} is an approver already.",
                "To make a new secret, remove the old one from [approval] approvers first.",
            )
        secret = new_secret()
        uri = uri_for_apps(secret, name, settings.edms.id or "")

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line
            from flows.printed_key import code_for_terminals

            console.print(code_for_terminals(uri), markup=False, highlight=False, soft_wrap=True)
            line(console, f"1. {name} reads this code with an authenticator app. It is shown only now.")
            line(console, "2. Add to the settings file, which only the worker's user may read:")
            line(console, "   [approval.approvers]")
            line(console, f'   {json.dumps(name, ensure_ascii=False)} = "{secret}"')  # as TOML quotes it

        options.finish({"name": name, "secret": secret, "uri": uri}, show, 0)
