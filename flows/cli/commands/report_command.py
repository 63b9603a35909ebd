"""Report: the dashboard: what the log and the snapshots say over time, as a site that works offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AllIn, Config, Json, Options, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = ("report --out /var/www/backups", "report --serve", "report --all /etc/edms-backup --out site")

_PORT = 8642


def report(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write it into this folder (default: in the workdir).")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it at http://127.0.0.1, made anew when it is opened.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, metavar="N", help="With --serve: the port (default: 8642).")
    ] = None,
    no_reports: Annotated[
        bool, typer.Option("--no-reports", help="Leave out the reports of runs, which name models and findings.")
    ] = False,
    all_in: AllIn = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a site of charts: age of backups, drills, failures, growth, durations, findings, and every run's report."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from edms_tasks.settings import load_settings
        from flows.dashboard.figures import collect
        from flows.dashboard.site import write_site

        if port is not None and not serve:
            raise command_error("--port belongs to --serve.", "Add --serve, or omit --port.")
        files = options.files(all_in)
        folder = (out or load_settings(files[0]).workdir / "dashboard").absolute()

        def make() -> tuple[str, ...]:
            return write_site(collect([load_settings(path) for path in files]), folder, with_reports=not no_reports)

        problems = make()
        if serve:
            _serve(options, folder, port or _PORT, make)

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            for problem in problems:
                line(console, f"! {problem}")
            line(console, f"dashboard {folder / 'index.html'}")

        options.finish({"page": str(folder / "index.html"), "notes": list(problems)}, show, 0, only_prints=True)


def _serve(options: Options, folder: Path, port: int, make: Callable[[], object]) -> None:
    from flows.cli.output import json_line, write_out
    from flows.dashboard.live import live_server

    try:
        server = live_server(folder, port, make)
    except OSError as error:
        raise command_error(
            f"Port {port} cannot be used: {error.strerror or error}", "Name another with --port."
        ) from error
    url = f"http://127.0.0.1:{port}/"
    write_out(json_line({"url": url}) if options.as_json else f"dashboard {url}  (Ctrl-C ends it)\n")
    with server:
        server.serve_forever()
