"""Deploy: register the schedules and forms of one or more EDMSs with a Prefect server; and serve: run one here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AllIn, Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

    from flows.scheduling.prefect_service import PrefectService

Automations = Annotated[
    bool,
    typer.Option(
        "--automations/--no-automations",
        help="Make the alarms of the EDMSs, as Prefect's automations (default), or leave them alone.",
        show_default=False,
    ),
]

EXAMPLES = ("deploy", "deploy --all /etc/edms-backup", "deploy --print")
SERVE_EXAMPLES = ("serve", "serve --all /etc/edms-backup --home /var/lib/edms-backup/prefect")


def deploy(
    context: typer.Context,
    all_in: AllIn = None,
    pool: Annotated[
        str, typer.Option(metavar="NAME", help="The work pool; it is made if there is none.")
    ] = "edms-backup",
    pool_type: Annotated[
        str, typer.Option(metavar="TYPE", help="The type of a new pool: process, docker, kubernetes, …")
    ] = "process",
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the prefect.yaml instead, for `prefect deploy`.")
    ] = False,
    automations: Automations = True,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Register schedules and forms with the Prefect server of PREFECT_API_URL."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.scheduling.deploying import deploy as register
        from flows.scheduling.deploying import systems_in
        from flows.scheduling.prefect_deployments import prefect_file

        systems = systems_in(options.files(all_in))
        if print_only:
            text = prefect_file(systems, pool)
            options.finish({"prefect.yaml": text}, lambda console: console.print(text, end="", soft_wrap=True), 0)
        alarms = register(systems, pool, pool_type, automations=automations)

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line
            from flows.scheduling.automations import what_became_of

            for one in systems:
                line(console, f"deployed  {one.name}  ({one.config})")
            for told in what_became_of(alarms, systems):
                line(console, told)
            line(console, f"now run   prefect worker start --pool {pool}, where the EDMS can be reached")

        facts = {
            "deployed": [{"name": one.name, "config": str(one.config)} for one in systems],
            "alarms": [vars(one) for one in alarms],
        }
        options.finish(facts, show, 0)


def serve(
    context: typer.Context,
    all_in: AllIn = None,
    home: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For the server's database, logs and login (default: in the workdir)."),
    ] = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, metavar="N", help="The port to listen on.")] = 4200,
    automations: Automations = True,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Run a Prefect server, a worker and the schedules on this machine, until it is stopped."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from rich.console import Console

        from flows.cli.printing.layout import line
        from flows.scheduling.deploying import systems_in
        from flows.scheduling.prefect_service import PrefectService

        systems = systems_in(options.files(all_in))
        folder = home or systems[0].settings.workdir / "prefect"
        console = Console(highlight=False, markup=False, stderr=True)
        service = PrefectService(
            folder.absolute(), systems, host, port, lambda text: line(console, text), automations=automations
        )
        service.run(when_ready=lambda: _announce(options, service))


def _announce(options: Options, service: PrefectService) -> None:
    """Say on standard output where it can be reached; the command goes on."""
    from flows.cli.output import json_line, write_out

    facts = {"url": service.url, "login_file": str(service.login_file)}
    write_out(
        json_line(facts) if options.as_json else f"serving   {service.url}  (the login is in {service.login_file})\n"
    )
