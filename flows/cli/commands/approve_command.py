"""Approve: let a deployed run that waits change the live system, or see what waits."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

    from flows.approval.approve_run import WaitingForApproval
    from flows.running.prefect_api import PrefectApi

EXAMPLES = ("approve", "approve 48be5be1", 'approve 48be5be1 --edms plant --by anna --code 123456 --note "TICKET-7"')


def approve(
    context: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="The run, by the beginning of its id. Without one: list what waits.",
            show_default=False,
        ),
    ] = None,
    edms: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of the EDMS, instead of typing it.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Your name.")] = None,
    code: Annotated[str | None, typer.Option(metavar="DIGITS", help="The code of your authenticator app.")] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, or a ticket.")] = "",
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Show the plans of deployed runs that wait for approval, and approve one."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.approval.approve_run import answer_run, waiting_runs

        api = _api(options)
        waiting = waiting_runs(api)
        if run is None:
            options.finish({"waiting": [one.as_json() for one in waiting]}, lambda console: _list(console, waiting), 0)
        chosen = _chosen(waiting, run or "")
        given = {"edms": edms, "approved_by": by, "code": code, "note": note}
        answer = _complete(chosen, given, asking=not as_json and sys.stdin.isatty())
        _require_name(chosen, answer)
        answer_run(api, chosen.id, answer)

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            line(console, f"sent      {chosen.name} goes on if the answer approves it; see the run {chosen.id}")

        options.finish({"run": chosen.id, "sent": True}, show, 0)


def _api(options: Options) -> PrefectApi:
    from flows.running.prefect_api import configured_api, served_api

    api = configured_api() or served_api(options.settings().workdir / "prefect")
    if api is None:
        raise command_error(
            "There is no Prefect server to ask.",
            "Set PREFECT_API_URL, and PREFECT_API_AUTH_STRING if it wants a login (the file `login` in the home of `edms-backup serve`).",
        )
    return api


def _chosen(waiting: list[WaitingForApproval], run: str) -> WaitingForApproval:
    found = [one for one in waiting if run and one.id.startswith(run)]
    if len(found) != 1:
        raise command_error(
            f"{'No run' if not found else 'More than one run'} that waits for approval has an id that begins with {run!r}.",
            "`edms-backup approve` lists them.",
        )
    return found[0]


def _complete(chosen: WaitingForApproval, given: dict[str, str | None], *, asking: bool) -> dict[str, str]:
    """The answer: what was given as options, and the rest typed; the plan is shown before that."""
    from flows.running.printable import printable

    wanted = [name for name in chosen.fields if name != "note"]
    missing = [name for name in wanted if not given.get(name)]
    if missing and not asking:
        names = {"edms": "--edms", "approved_by": "--by", "code": "--code"}
        raise command_error(
            "The approval is not complete, and there is no terminal to ask for the rest.",
            f"Add {', '.join(names.get(name, name) for name in missing)}.",
        )
    answer = {name: str(given.get(name) or "") for name in chosen.fields}
    if missing:
        typer.echo("\n".join(printable(line) for line in chosen.plan.replace("\\", "").splitlines()), err=True)
    for name in missing:
        text = printable(chosen.fields[name] or name)
        answer[name] = typer.prompt(text, default="", show_default=False, err=True)
    return answer


def _require_name(chosen: WaitingForApproval, answer: dict[str, str]) -> None:
    """Refuse to send a name that would refuse the run: here it is a slip, and the plan would have to be made again."""
    asked = re.match(r"Type (.+) to approve\.", chosen.fields.get("edms", ""))
    if asked and answer["edms"].strip() != asked.group(1):
        raise command_error(
            f"The name of the EDMS is not {answer['edms'].strip()!r}: nothing was sent, and the run still waits.",
            f"Type {asked.group(1)}. To refuse the run, cancel it in Prefect's UI.",
        )


def _list(console: Console, waiting: list[WaitingForApproval]) -> None:
    from flows.cli.printing.layout import line, print_table

    if not waiting:
        line(console, "no run waits for approval")
        return
    print_table(console, ("run", "what", "waits until"), [(one.id[:8], one.name, one.until[:16]) for one in waiting])
