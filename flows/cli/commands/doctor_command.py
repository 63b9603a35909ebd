"""Doctor: examine an EDMS before its first backup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edms_tasks.errors import CommandError
from flows.cli.options import All, Config, Json, Options, Traceback
from flows.cli.suggesting import require_answers, write_suggestions
from flows.requests import DoctorRequest

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "doctor",
    "doctor --html doctor.html",
    "doctor --json",
    "doctor --write",
    "doctor --write all",
    "doctor --profile our-edms.toml",
)


def doctor(
    context: typer.Context,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write the diagnosis as a page.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="FILE",
            help="Check a profile instead: which of its lines find nothing, or are wrong. A file, or the name of a shipped one.",
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="Write suggestions into the settings file: those named, `all`, or without a name after a question for each.",
        ),
    ] = False,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="SUGGESTION", help="With --write: names of suggestions, or all.", show_default=False),
    ] = None,
    every: All = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Check natural keys, references, files and secrets on the real rows, and say how to fix what is wrong."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        if names and not write:
            raise CommandError(f"doctor does not know {names[0]!r}.", fix="To write suggestions: doctor --write NAME.")
        if profile is not None:
            if html is not None or write:
                raise CommandError(
                    "--profile excludes --html and --write.", fix="Use --json to keep what a check says."
                )
            _check_profile(options, profile)
            return
        from edms_tasks.report.output_files import HTML, require_output

        require_output(html, HTML, "--html")
        if write and not names:
            require_answers(options)
        settings = options.settings()
        from flows.doctor import doctor as examine
        from flows.doctor import write_page
        from flows.running.run import Run
        from flows.running.threads import ThreadRunner

        result = examine.fn(Run(settings, ThreadRunner(options.progress_console())), DoctorRequest())
        if html is not None:
            write_page(result, html)
        written = write_suggestions(options.path, result.suggestions, names or ()) if write else ()

        def show(console: Console) -> None:
            from flows.cli.printing.diagnosis import print_diagnosis, print_written

            print_diagnosis(console, result, html, every=every, suggestions=not write)
            if write:
                print_written(console, options.path, written)

        facts = result.as_json() | ({"written": [one.name for one in written]} if write else {})
        options.finish(facts, show, 0 if result.diagnosis.healthy else 1, only_prints=not write)


def _check_profile(options: Options, profile: str) -> None:
    from flows.check_profile import check_profile
    from flows.running.run import Run
    from flows.running.threads import ThreadRunner

    result = check_profile(Run(options.settings(), ThreadRunner(options.progress_console())), profile)

    def show(console: Console) -> None:
        from flows.cli.printing.profile import print_checked_profile

        print_checked_profile(console, result)

    options.finish(result.as_json(), show, 1 if result.count("wrong") else 0, only_prints=True)
