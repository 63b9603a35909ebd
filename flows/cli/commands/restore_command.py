"""Restore: bring a snapshot back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.confirming import confirm, live_system
from flows.cli.options import Config, Flow, Json, NoWait, Options, Snapshot, Traceback, command_error, from_request
from flows.requests import RestorePlanRequest, RestoreRequest, SchemaSource

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.manifest import Manifest
    from edms_tasks.settings import Settings
    from flows.restore_plan import RestorePlan
    from flows.restoring.restore_result import RestoreResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "restore latest",
    "restore before-upgrade --yes",
    "restore latest --dry-run",
    "restore latest --into edms_copy --into-files /tmp/copy",
    "restore latest --into postgresql://edms@localhost/edms --into-files /srv/edms/media",
    "restore 53bc --salvage --into edms_left",
    "restore after-upgrade --drop-unknown",
    "restore latest --into edms_staging --mask masking.toml",
)


def restore(
    context: typer.Context,
    snapshot: Snapshot,
    into: Annotated[str | None, from_request(RestoreRequest, "into", metavar="NAME|URL")] = None,
    into_files: Annotated[Path | None, from_request(RestoreRequest, "into_files", metavar="FOLDER")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before replacing the live system.")] = False,
    salvage: Annotated[bool, from_request(RestoreRequest, "salvage")] = False,
    promote_salvaged: Annotated[bool, from_request(RestoreRequest, "promote_salvaged")] = False,
    drop_unknown: Annotated[bool, from_request(RestoreRequest, "drop_unknown")] = False,
    schema: Annotated[SchemaSource, from_request(RestoreRequest, "schema")] = "migrations",
    mask: Annotated[Path | None, from_request(RestoreRequest, "mask", metavar="RULES")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done and what would prevent it; write nothing.")
    ] = False,
    without_erasures: Annotated[str, from_request(RestoreRequest, "without_erasures", metavar="REASON")] = "",
    reason: Annotated[str, from_request(RestoreRequest, "reason", metavar="TEXT")] = "",
    no_wait: NoWait = False,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Build a snapshot in a staging database, validate it, and promote it only if it is proved equal."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("" if dry_run or sys.stdin.isatty() else "restore"):  # else a person has said no, and knows
        _require_sense(
            into,
            into_files=into_files,
            salvage=salvage,
            promote_salvaged=promote_salvaged,
            mask=mask,
            dry_run=dry_run,
        )
        if dry_run:
            planned = RestorePlanRequest(
                snapshot=snapshot, into=into, into_files=into_files, drop_unknown=drop_unknown, schema=schema
            )
            plan = options.runner(flow).perform(_plan, planned)

            def show_plan(console: Console) -> None:
                from flows.cli.printing.differences import print_restore_plan

                print_restore_plan(console, plan)

            options.finish(plan.as_json(), show_plan, 1 if plan.in_use else 0)
        settings = options.settings()
        if into is None and not yes:
            asking = not options.as_json and sys.stdin.isatty()
            snapshot = _confirm(settings, snapshot, salvage=salvage, drop_unknown=drop_unknown, asking=asking)
        request = RestoreRequest(
            snapshot=snapshot,
            into=into,
            into_files=into_files,
            confirm=True,
            salvage=salvage,
            promote_salvaged=promote_salvaged,
            drop_unknown=drop_unknown,
            schema=schema,
            mask=mask,
            wait=not no_wait,
            without_erasures=without_erasures,
            reason=reason,
        )
        result = options.runner(flow).perform(_verb, request)

        def show(console: Console) -> None:
            from flows.cli.printing.closing_summaries import print_restore

            print_restore(console, result)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def _require_sense(
    into: str | None,
    *,
    into_files: Path | None,
    salvage: bool,
    promote_salvaged: bool,
    mask: Path | None,
    dry_run: bool,
) -> None:
    """Refuse options that exclude each other or need another one."""
    if into_files is not None and into is None:
        raise command_error("--into-files needs --into.", "Add --into NAME, or omit --into-files.")
    if promote_salvaged and (into is not None or not salvage):
        raise command_error("--promote-salvaged needs --salvage and excludes --into.", "Omit one of them.")
    if salvage and into is None and not promote_salvaged:
        raise command_error(
            "A salvaged copy may lack rows and files, so it does not replace the live system unless you say so.",
            "Add --into NAME to keep it beside the live system, or --promote-salvaged.",
        )
    if dry_run and salvage:
        raise command_error(
            "--dry-run and --salvage cannot be combined: a plan does not read the objects.",
            "`edms-backup verify` names what is damaged. --salvage --into NAME restores the rest beside the live system.",
        )
    if mask is not None and into is None:
        raise command_error("--mask needs --into: the live system is never masked.", "Add --into NAME, or omit --mask.")
    if mask is not None and dry_run:
        raise command_error("--dry-run and --mask cannot be combined.", "Omit one of them.")


def _confirm(settings: Settings, snapshot: str, *, salvage: bool, drop_unknown: bool, asking: bool) -> str:
    """Ask for confirmation. Returns the id of the snapshot that was shown, so that exactly this one is restored."""
    if not asking:
        raise command_error(
            "This restore replaces the live database and files, and there is no terminal to ask for confirmation.",
            "Pass --yes, or --into NAME to leave the live system alone.",
        )
    from edms_tasks.lineage.find_snapshot import chosen_snapshot
    from edms_tasks.lineage.snapshot_source import is_package, open_source
    from flows.restoring.target import ask_edms
    from flows.running.printable import printable
    from flows.running.run import Run

    repository, name = open_source(settings, snapshot)
    # Inspect the EDMS, so that `latest` means the same snapshot as in the restore.
    chosen = chosen_snapshot(settings, repository, name, ask_edms(Run(settings), []))
    snapshot_id, manifest = chosen.snapshot_id, chosen.manifest
    for note in chosen.notes:
        typer.echo(printable(f"! {note}"), err=True)
    tag = f", tag {manifest.tag}" if manifest.tag else ""
    what = "The intact part of snapshot" if salvage else "Snapshot"
    missing = "Rows and files that are lost will be missing from the live system.\n" if salvage else ""
    word = _dropping(settings, manifest) if drop_unknown else ""
    confirm(
        f"{what} {snapshot_id[:12]} of {manifest.created:%Y-%m-%d %H:%M:%S} UTC{tag} ({manifest.rows:,} rows) "
        f"will replace, after validation:\n{live_system(settings)}\n{missing}"
        "The present ones are kept. `edms-backup rollback` swaps them back.",
        word,
    )
    return snapshot if is_package(snapshot) else snapshot_id


def _dropping(settings: Settings, manifest: Manifest) -> str:
    """Print what would be dropped. Returns the word to type, or nothing if nothing would be dropped."""
    from edms_tasks.inventory.run_probe import run_probe
    from flows.restoring.version_plan import plan_version
    from flows.running.printable import printable

    version_plan = plan_version(manifest, run_probe(settings), into=None, drop_unknown=True)
    for note in version_plan.notes:
        typer.echo(printable(note), err=True)
    return "drop" if version_plan.forget else ""


def _verb() -> Verb[RestoreRequest, RestoreResult]:
    from flows.restore import restore

    return restore


def _plan() -> Verb[RestorePlanRequest, RestorePlan]:
    from flows.restore_plan import plan_restore

    return plan_restore
