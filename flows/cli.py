"""The command line: `edms-backup`. Reads options, calls the same compositions as the flows, prints what came out.

Only Typer is imported here, and Rich where something is printed; all else inside the command that needs it, so that
`--help` and completion answer at once. Exit codes: 0 done and proved, 1 a check failed, 2 the command or the settings
are wrong, 3 the operation failed.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings
    from flows.worlds import World

DEFAULT_CONFIG = Path("edms-backup.toml")
_WIDTH_OF_A_PIPE = 1000

app = typer.Typer(
    name="edms-backup",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str) -> str:
    return "\n".join(["Examples:", *(f"  edms-backup {line}" for line in lines)])


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edms-backup {version('edms-backup')}")
        raise typer.Exit


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
        help="Run as a Prefect flow, or directly (default: as a flow where a Prefect API is configured).",
        show_default=False,
    ),
]
Snapshot = Annotated[
    str, typer.Argument(metavar="SNAPSHOT", help="`latest`, an id or its first digits, or a tag.", show_default=False)
]


@app.callback(epilog=_examples("init", "backup", "restore latest", "--config /etc/edms-backup.toml list"))
def root(
    context: typer.Context,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Backups of a Django document system that prove they can be restored."""
    context.obj = _Options(config=config, as_json=as_json, traceback=traceback)


@app.command(
    epilog=_examples("init", "init --project /srv/edms --python /srv/edms/.venv/bin/python --repository /backups")
)
def init(
    context: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The folder that holds manage.py (default: this one, if it does)."),
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(metavar="MODULE", help="The Django settings module (default: what manage.py names)."),
    ] = None,
    python: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The EDMS's own Python interpreter (default: this one).")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="URL", help="A folder or any fsspec URL (default: ./edms-backups).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", "--yes", help="Write over a settings file that exists.")] = False,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Write a commented settings file and check that EDMS, database and repository answer."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows.init import initialise

        result = initialise(
            options.path,
            project=project,
            settings_module=settings,
            python=python,
            repository=repository,
            force=force,
        )

        def show(console: Console) -> None:
            from flows.printing import line

            line(console, f"✓ settings: {result.config}")
            for check in result.checks:
                mark = "✗" if check.error else "✓"
                line(console, f"{mark} {check.subject}: {check.error.what if check.error else check.answer}")
                for fact in str(check.error).splitlines()[1:] if check.error else ():
                    line(console, f"  {fact}")
            if not result.exit_code:
                line(console, "next: edms-backup backup")

        options.finish(result.as_json(), show, result.exit_code)


@app.command(epilog=_examples("inspect", "inspect --json"))
def inspect(context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False) -> None:
    """Print the inventory: models, rows, keys, references, file roots, migration state."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.direct_steps import DirectSteps
        from flows.inspection import compose_inspect

        result = compose_inspect(settings, DirectSteps(options.progress_console()))

        def show(console: Console) -> None:
            from flows.printing import print_inspection

            print_inspection(console, result)

        options.finish(result.as_json(), show, 0)


@app.command(epilog=_examples("backup", "backup --tag before-upgrade"))
def backup(
    context: typer.Context,
    tag: Annotated[str | None, typer.Option(metavar="T", help="A name for the snapshot.")] = None,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Make a snapshot of database and files, and read it back."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        result = options.world(flow).backup(tag)

        def show(console: Console) -> None:
            from flows.printing import print_backup

            print_backup(console, result)

        options.finish(result.as_json(), show, 0 if result.verified else 1)


@app.command("list", epilog=_examples("list", "list --json"))
def list_(context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False) -> None:
    """List the snapshots, oldest first."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.listing import list_snapshots

        listing = list_snapshots(settings)

        def show(console: Console) -> None:
            from flows.printing import print_listing

            print_listing(console, listing)

        options.finish(listing.as_json(), show, 1 if listing.damaged else 0)


@app.command(epilog=_examples("show latest", "show 3fa81c02 --json"))
def show(
    context: typer.Context,
    snapshot: Snapshot,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Show one snapshot: its tables, files and findings."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from edms_tasks.repository import Repository
        from flows.listing import read_manifest
        from flows.printing import print_snapshot

        repository = Repository.open(settings.repository)
        snapshot_id = repository.resolve(snapshot)
        manifest = read_manifest(repository, snapshot_id)
        facts = {"snapshot": snapshot_id, "manifest": manifest.model_dump(mode="json")}
        options.finish(facts, lambda console: print_snapshot(console, snapshot_id, manifest), 0)


@app.command(epilog=_examples("verify", "verify latest"))
def verify(
    context: typer.Context,
    snapshot: Annotated[
        str | None,
        typer.Argument(metavar="[SNAPSHOT]", help="One snapshot (default: every one).", show_default=False),
    ] = None,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Read every object again and check hashes and digests."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        result = options.world(flow).verify(snapshot)

        def show(console: Console) -> None:
            from flows.printing import print_verify

            print_verify(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


@app.command(
    epilog=_examples(
        "restore latest", "restore before-upgrade --yes", "restore latest --into edms_copy --into-files /tmp/copy"
    )
)
def restore(
    context: typer.Context,
    snapshot: Snapshot,
    into: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Leave it as a database of this name (SQLite: a file) instead of promoting."),
    ] = None,
    into_files: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --into: the folder for the restored files.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before replacing the live system.")] = False,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Build a snapshot in a staging database, validate it, and promote it only if it is proved equal."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        if into_files is not None and into is None:
            raise _command_error("--into-files needs --into.", "Add --into NAME, or leave --into-files out.")
        settings = options.settings()
        if into is None and not yes:
            _confirm(settings, snapshot, asking=not options.as_json and sys.stdin.isatty())
        result = options.world(flow).restore(snapshot, into, into_files)

        def show(console: Console) -> None:
            from flows.printing import print_restore

            print_restore(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


@app.command(epilog=_examples("rollback"))
def rollback(
    context: typer.Context, config: Config = None, as_json: Json = False, traceback: Traceback = False
) -> None:
    """Swap the last promoted restore back."""
    options = _Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from flows.direct_steps import DirectSteps
        from flows.restore import compose_rollback

        result = compose_rollback(settings, DirectSteps(options.progress_console()))

        def show(console: Console) -> None:
            from flows.printing import print_rollback

            print_rollback(console, result)

        options.finish(result.as_json(), show, 0)


@app.command(epilog=_examples("demo", "demo --keep", "demo --postgres postgresql://user@localhost/postgres"))
def demo(
    context: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the demo's folder: EDMS, repository, settings.")] = False,
    postgres: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Run on this PostgreSQL server, in a database of its own (default: SQLite)."),
    ] = None,
    documents: Annotated[int, typer.Option(min=1, metavar="N", help="Documents to create.")] = 1000,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Create a real EDMS in a temporary folder, back it up, destroy it, and bring it back proved equal."""
    options = _Options.of(context, None, as_json, traceback)
    with options.reporting():
        from flows.demo import print_demo, run_demo

        result = run_demo(keep=keep, postgres=postgres, documents=documents, console=options.progress_console())
        options.finish(result.as_json(), lambda console: print_demo(console, result), 0 if result.proved else 1)


@dataclass
class _Options:
    """What every command understands, before its name or after it."""

    config: Path | None
    as_json: bool
    traceback: bool
    workdir: Path | None = None

    @classmethod
    def of(cls, context: typer.Context, config: Path | None, as_json: bool, traceback: bool) -> _Options:
        given: _Options = context.obj
        return cls(
            config=config or given.config,
            as_json=as_json or given.as_json,
            traceback=traceback or given.traceback,
        )

    @property
    def path(self) -> Path:
        return self.config or DEFAULT_CONFIG

    def settings(self) -> Settings:
        from edms_tasks.settings import load_settings

        settings = load_settings(self.path)
        self.workdir = settings.workdir
        return settings

    def world(self, flow: bool | None) -> World:
        from flows.worlds import choose_world

        return choose_world(self.path, self.settings(), flow=flow, console=self.progress_console())

    def progress_console(self) -> Console | None:
        """Progress goes to stderr, so that stdout holds the result alone."""
        if self.as_json:
            return None
        from rich.console import Console

        return Console(stderr=True, highlight=False)

    @contextmanager
    def reporting(self) -> Iterator[None]:
        from flows.failures import reported

        with reported(as_json=self.as_json, traceback=self.traceback, workdir=lambda: self.workdir):
            yield

    def finish(self, facts: Mapping[str, Any], show: Callable[[Console], None], exit_code: int) -> None:
        """Print the result one way or the other, and leave."""
        if self.as_json:
            sys.stdout.write(json.dumps({**facts, "exit_code": exit_code}, ensure_ascii=False, default=str) + "\n")
        else:
            from rich.console import Console

            # A pipe has no width to fit into: there, tables are as wide as their contents.
            width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
            show(Console(highlight=False, markup=False, width=width))
        raise typer.Exit(exit_code)


def _confirm(settings: Settings, snapshot: str, *, asking: bool) -> None:
    if not asking:
        raise _command_error(
            "This restore replaces the live database and files, and nobody can be asked.",
            "Pass --yes, or --into NAME to leave the live system alone.",
        )
    from edms_tasks.repository import Repository
    from flows.listing import read_manifest
    from flows.terminal import printable

    repository = Repository.open(settings.repository)
    snapshot_id = repository.resolve(snapshot)
    manifest = read_manifest(repository, snapshot_id)
    tag = f", tag {manifest.tag}" if manifest.tag else ""
    typer.echo(
        printable(
            f"Snapshot {snapshot_id[:12]} of {manifest.created:%Y-%m-%d %H:%M:%S} UTC{tag} ({manifest.rows:,} rows) "
            f"will replace the database and files of {settings.edms.settings or 'the EDMS'}, once it is proved.\n"
            "The present ones are kept, and `edms-backup rollback` swaps them back."
        ),
        err=True,
    )
    try:
        confirmed = typer.confirm("Continue?", err=True)
    except typer.Abort:  # Ctrl-C
        raise typer.Exit(130) from None
    if not confirmed:
        raise _command_error("Not confirmed: nothing was changed.", "Answer y, or pass --yes.")


def _command_error(what: str, cure: str) -> Exception:
    from edms_tasks.errors import CommandError

    return CommandError(what, cure=cure)


def main() -> None:
    """Run the command line, and leave with its exit code."""
    # A polite kill unwinds like Ctrl-C: spools, locks and staging databases are cleaned up on the way out.
    signal.signal(signal.SIGTERM, _leave)
    if "--json" not in sys.argv[1:]:
        app()
    # Typer would explain a usage error in prose; a machine that asked for JSON gets JSON.
    from typer.exceptions import TyperException

    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        from edms_tasks.errors import CommandError
        from flows.failures import tell_error

        usage = CommandError(error.format_message(), cure="See edms-backup --help.")
        tell_error(usage, as_json=True)
        code = usage.exit_code
    sys.exit(code)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
