"""The command line: `edms-backup`. It reads options, runs the same flows as Prefect and prints their results.

The commands are in `flows/cli/commands/`. They import Typer alone, and all else, Rich too, inside the function that needs it,
so that `--help` and completion answer at once. Exit codes: 0 done and proved, 1 a check failed, 2 the command or the settings
are wrong, 3 the operation failed, 130 it was stopped (128 and the signal's number).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from edms_tasks.scratch.lean_allocators import return_freed_memory_soon
from flows.cli.commands import (
    approve_command,
    approver_command,
    backup_command,
    config_files_command,
    convert_command,
    copy_command,
    demo_command,
    deploy_command,
    diff_command,
    doctor_command,
    drill_command,
    erase_command,
    evidence_command,
    hold_command,
    init_command,
    inspect_command,
    key_command,
    list_command,
    log_command,
    merge_command,
    notify_command,
    package_command,
    prune_command,
    report_command,
    restore_command,
    rollback_command,
    schedule_command,
    show_command,
    status_command,
    unlock_command,
    verify_command,
)
from flows.cli.help_text import Command, CommandGroup
from flows.cli.options import Config, Json, Options, Traceback
from flows.cli.output import prepare_streams
from flows.running.stopping import exit_code_of, handle_signals

_OBJECTS_BETWEEN_COLLECTIONS = 50_000

app = typer.Typer(
    name="edms-backup",
    cls=CommandGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _examples(*lines: str) -> str:
    # After a \b alone on its line, lines stay as they are.
    return "\n".join(["\b", "Examples:", *(f"  edms-backup {line}" for line in lines)])


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"edms-backup {version('edms-backup')}")
        raise typer.Exit


@app.callback(epilog=_examples("init", "backup", "restore latest", "--config /etc/edms-backup.toml list"))
def root(
    context: typer.Context,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing unless something is wrong, for cron.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Backups of a Django document system that prove they can be restored."""
    context.obj = Options(config=config, as_json=as_json, traceback=traceback, quiet=quiet)


_COMMANDS: Mapping[str, tuple[Callable[..., None], tuple[str, ...]]] = {
    "init": (init_command.init, init_command.EXAMPLES),
    "inspect": (inspect_command.inspect, inspect_command.EXAMPLES),
    "doctor": (doctor_command.doctor, doctor_command.EXAMPLES),
    "backup": (backup_command.backup, backup_command.EXAMPLES),
    "list": (list_command.list_, list_command.EXAMPLES),
    "show": (show_command.show, show_command.EXAMPLES),
    "status": (status_command.status, status_command.EXAMPLES),
    "verify": (verify_command.verify, verify_command.EXAMPLES),
    "restore": (restore_command.restore, restore_command.EXAMPLES),
    "drill": (drill_command.drill, drill_command.EXAMPLES),
    "config-files": (config_files_command.config_files, config_files_command.EXAMPLES),
    "merge": (merge_command.merge, merge_command.EXAMPLES),
    "diff": (diff_command.diff, diff_command.EXAMPLES),
    "copy": (copy_command.copy, copy_command.EXAMPLES),
    "export": (package_command.export, package_command.EXPORT_EXAMPLES),
    "import": (package_command.import_, package_command.IMPORT_EXAMPLES),
    "convert": (convert_command.convert, convert_command.EXAMPLES),
    "prune": (prune_command.prune, prune_command.EXAMPLES),
    "hold": (hold_command.hold, hold_command.HOLD_EXAMPLES),
    "release": (hold_command.release, hold_command.RELEASE_EXAMPLES),
    "tag": (hold_command.tag, hold_command.TAG_EXAMPLES),
    "erase": (erase_command.erase, erase_command.EXAMPLES),
    "erasures": (erase_command.erasures, erase_command.LIST_EXAMPLES),
    "evidence": (evidence_command.evidence, evidence_command.EXAMPLES),
    "notify": (notify_command.notify, notify_command.EXAMPLES),
    "log": (log_command.log, log_command.EXAMPLES),
    "unlock": (unlock_command.unlock, unlock_command.EXAMPLES),
    "rollback": (rollback_command.rollback, rollback_command.EXAMPLES),
    "report": (report_command.report, report_command.EXAMPLES),
    "schedule": (schedule_command.schedule, schedule_command.EXAMPLES),
    "deploy": (deploy_command.deploy, deploy_command.EXAMPLES),
    "serve": (deploy_command.serve, deploy_command.SERVE_EXAMPLES),
    "approve": (approve_command.approve, approve_command.EXAMPLES),
    "approver": (approver_command.approver, approver_command.EXAMPLES),
    "demo": (demo_command.demo, demo_command.EXAMPLES),
}
for _name, (_command, _shown) in _COMMANDS.items():
    app.command(_name, cls=Command, epilog=_examples(*_shown))(_command)
_keys = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, rich_markup_mode=None, help="Show and change who can open the repository."
)
for _name, _key_command in key_command.COMMANDS.items():
    _keys.command(_name, cls=Command)(_key_command)
app.add_typer(_keys, name="key", epilog=_examples(*key_command.EXAMPLES))


def main() -> None:
    """Run the command line, and leave with its exit code."""
    # Libraries make hundreds of thousands of objects that stay: looking for garbage among them took a fifth of their loading.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    return_freed_memory_soon()
    prepare_streams()
    handle_signals()
    try:
        _run()
    except SystemExit:
        _leave_prefect_behind()
        raise
    except KeyboardInterrupt as error:  # Ctrl-C before a command began, or after its result was printed
        sys.exit(exit_code_of(error))


def _run() -> None:
    if "--json" not in sys.argv[1:]:
        try:
            app()
        except OSError as error:  # the text of --help; commands report their own
            sys.stderr.write(f"error: {error.strerror or error}\n")
            sys.exit(3)
    # Typer would print usage errors as text; with `--json` they are JSON.
    from typer.exceptions import TyperException

    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        from edms_tasks.errors import CommandError
        from flows.cli.failures import print_error

        usage = CommandError(error.format_message(), fix="See edms-backup --help.")
        print_error(usage, as_json=True)
        code = usage.exit_code
    sys.exit(code)


def _leave_prefect_behind() -> None:
    """Skip Prefect's shutdown if its API is lost: it would try to send every event, for minutes."""
    choosing, error = sys.modules.get("flows.running.choose_runner"), sys.exception()
    if choosing is None or not choosing.prefect_is_lost or not isinstance(error, SystemExit):
        return
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(error.code if isinstance(error.code, int) else 1)


if __name__ == "__main__":
    main()
