"""Init: write the settings file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Traceback

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = (
    "init",
    "init --project /srv/edms --python /srv/edms/.venv/bin/python --repository /backups",
    "init --command 'docker compose exec -T backend python' --project /app --settings config.settings",
    "init --list-profiles",
)


def init(
    context: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The folder of manage.py (default: the current folder)."),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(metavar="MODULE", help="The Django settings module (default: what manage.py names)."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The EDMS's own Python interpreter (default: this one).")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(
            metavar="WORDS", help="Instead of --python: the command that starts the EDMS's Python in its container."
        ),
    ] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="URL", help="A folder or any fsspec URL (default: ./edms-backups).")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The profile of a known EDMS (default: the one that matches); `none` for no profile."
        ),
    ] = None,
    encryption: Annotated[
        bool,
        typer.Option(
            "--encryption/--no-encryption",
            help="Encrypt a new repository, with keys beside the settings file; or let everybody who reads it read the documents.",
        ),
    ] = True,
    list_profiles: Annotated[bool, typer.Option("--list-profiles", help="List the profiles, and exit.")] = False,
    force: Annotated[bool, typer.Option("--force", "--yes", help="Overwrite an existing settings file.")] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Write a commented settings file, and check that EDMS, database and repository can be used."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        if list_profiles:
            _list_profiles(options)
            return
        from flows.init import initialise

        result = initialise(
            options.path,
            project=project,
            settings_module=settings,
            python=python,
            command=command,
            repository=repository,
            profile=profile,
            force=force,
            encrypt=encryption,
        )

        def show(console: Console) -> None:
            from flows.cli.printing.layout import line

            if result.written:
                line(console, f"✓ settings: {result.config}")
            else:
                line(console, f"✗ settings: {result.config} was not written, because:")
            for check in result.checks:
                mark = "✗" if check.error else "✓"
                line(console, f"{mark} {check.subject}: {check.error.what if check.error else check.answer}")
                for fact in str(check.error).splitlines()[1:] if check.error else ():
                    line(console, f"  {fact}")
            if not result.exit_code:
                line(console, "next: edms-backup doctor, then backup; or list and restore where there are snapshots")

        options.finish(result.as_json(), show, result.exit_code)


def _list_profiles(options: Options) -> None:
    from flows.initialising.profiles import all_profiles

    profiles = all_profiles()

    def show(console: Console) -> None:
        from flows.cli.printing.layout import line

        for profile in profiles:
            line(console, f"{profile.name:<20} {profile.title}")

    found = [{"name": profile.name, "title": profile.title} for profile in profiles]
    options.finish({"profiles": found}, show, 0)
