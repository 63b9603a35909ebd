"""The options that every command has, and how commands print results and exit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.requests import RestoreRequest
from flows.running.field_descriptions import described, hints_of
from flows.running.said_lines import as_facts, begin_to_note

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings
    from flows.running.choose_runner import VerbRunner

DEFAULT_CONFIG = Path("edms-backup.toml")
_NOT_PRINTED = 3

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help=f"The settings file (default: {DEFAULT_CONFIG})."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
Traceback = Annotated[bool, typer.Option("--traceback", help="Show the traceback of an error.")]
Flow = Annotated[
    bool | None,
    typer.Option(
        "--flow/--no-flow",
        help="Run as a Prefect flow, or directly (default: as a flow if a Prefect API is configured).",
        show_default=False,
    ),
]
All = Annotated[bool, typer.Option("--all", help="List every model, also those without problems or changes.")]
Snapshot = Annotated[
    str, typer.Argument(metavar="SNAPSHOT", help=described(RestoreRequest, "snapshot"), show_default=False)
]
AllIn = Annotated[
    Path | None,
    typer.Option("--all", metavar="FOLDER", help="The EDMSs of all settings files (*.toml) in this folder."),
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Fail if a backup is running, instead of waiting for it.")]


def from_request(request: type, field: str, *, metavar: str | None = None) -> Any:
    """An option with a field's name, and the description in the request; a switch has no opposite."""
    hints = hints_of(request)
    is_flag = hints[field].__origin__ is bool
    names = [_flag(field)] if is_flag else []
    text = described(request, field)
    for other in hints:
        text = text.replace(f"`{other}`", _flag(other))
    return typer.Option(*names, metavar=metavar, help=text)


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"


@dataclass
class Options:
    """The options that every command has, before or after its name."""

    config: Path | None
    as_json: bool
    traceback: bool
    quiet: bool = False
    workdir: Path | None = None
    chosen: VerbRunner | None = None

    @classmethod
    def of(cls, context: typer.Context, config: Path | None, as_json: bool, traceback: bool) -> Options:
        """The options of a command: those after its name win over those before it."""
        begin_to_note()
        given: Options = context.obj
        return cls(
            config=config or given.config,
            as_json=as_json or given.as_json,
            traceback=traceback or given.traceback,
            quiet=given.quiet,
        )

    @property
    def path(self) -> Path:
        """The settings file."""
        return self.config or DEFAULT_CONFIG

    def settings(self) -> Settings:
        """Read the settings file; raises SettingsError."""
        from edms_tasks.settings import load_settings

        settings = load_settings(self.path)
        self.workdir = settings.workdir
        return settings

    def files(self, folder: Path | None) -> list[Path]:
        """The settings file, or all of a folder (`--all`)."""
        if folder is None:
            return [self.path]
        if self.config is not None:
            raise command_error("--config and --all cannot be combined.", "Omit one of them.")
        found = sorted(folder.glob("*.toml"))
        if not found:
            raise command_error(f"There is no settings file (*.toml) in {folder}.", "Name the folder that holds them.")
        return found

    def runner(self, flow: bool | None) -> VerbRunner:
        """The runner of the command: Prefect, or threads of this process."""
        from flows.running.choose_runner import choose_runner

        self.chosen = choose_runner(self.path, self.settings(), flow=flow, console=self.progress_console())
        return self.chosen

    def progress_console(self) -> Console | None:
        """The console for progress: stderr, so that stdout has only the result."""
        if self.as_json or self.quiet:
            return None
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    @contextmanager
    def reporting(self, verb: str = "") -> Iterator[None]:
        """Print an exception raised inside as an error, and exit with its code. `verb`: that whose refusal is told by signals."""
        from flows.cli.failures import reported

        with reported(as_json=self.as_json, traceback=self.traceback, workdir=lambda: self.workdir):
            try:
                yield
            except Exception as error:
                if verb and self.chosen is None:  # else the verb has begun, and tells itself
                    self._tell_refused(verb, error)
                raise

    def _tell_refused(self, verb: str, error: Exception) -> None:
        """Tell that a command was refused before its verb began: a line of cron that is wrong would fail every night in silence."""
        from edms_tasks.errors import EdmsBackupError
        from edms_tasks.settings import load_settings

        if not isinstance(error, EdmsBackupError):
            return
        try:
            settings = load_settings(self.path)
        except EdmsBackupError:
            return  # they name nobody that could be told
        from flows.evidence.run_signals import tell_refused, tell_start
        from flows.running.run import Run

        run = Run(settings)
        tell_start(run, verb)
        tell_refused(run, verb, error)

    def finish(
        self, facts: Mapping[str, Any], show: Callable[[Console], None], exit_code: int, *, only_prints: bool = False
    ) -> None:
        """Print the result as text or JSON, and exit.

        The exit code says what was done, whether or not it could be printed. A command that `only_prints`, such as `list`,
        exits with 3 if printing failed.
        """
        if self.quiet and not exit_code:
            raise typer.Exit(exit_code)
        from flows.cli.output import is_broken_pipe, json_line, write_out

        notes = self.chosen.notes if self.chosen else []
        if self.as_json:
            facts = {**facts, "notes": [*facts.get("notes", ()), *notes]} if notes else facts
            failure = write_out(json_line({**facts, **as_facts(), "exit_code": exit_code}))
        else:
            from rich.console import Console

            from flows.cli.printing.layout import WIDTH_OF_A_PIPE, line

            width = None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
            console = Console(highlight=False, markup=False, width=width)
            # Written in one piece by ourselves: Rich ends the process where a reader has gone.
            with console.capture() as captured:
                show(console)
                for note in notes:
                    line(console, f"! {note}")
            failure = write_out(captured.get())
        if failure is not None and only_prints and not is_broken_pipe(failure):
            exit_code = exit_code or _NOT_PRINTED
        raise typer.Exit(exit_code)


def command_error(what: str, fix: str) -> Exception:
    """The error for a command that was used wrongly."""
    from edms_tasks.errors import CommandError

    return CommandError(what, fix=fix)
