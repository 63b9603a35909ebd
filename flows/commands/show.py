"""Show: one snapshot."""

from __future__ import annotations

import typer

from flows.commands.options import Config, Json, Options, Snapshot, Traceback

EXAMPLES = (
    "show latest",
    "show 3fa81c02 --json",
)


def show(
    context: typer.Context,
    snapshot: Snapshot,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Show one snapshot: its tables, files and findings."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        settings = options.settings()
        from edms_tasks.repository import Repository
        from flows.listing import read_manifest
        from flows.printing import print_snapshot

        repository = Repository.open(settings.repository)
        snapshot_id = repository.resolve(snapshot)
        manifest = read_manifest(repository, snapshot_id)
        facts = {"snapshot": snapshot_id, "manifest": manifest.model_dump(mode="json")}
        options.finish(facts, lambda console: print_snapshot(console, snapshot_id, manifest), 0, only_prints=True)
