"""Show: one snapshot."""

from __future__ import annotations

import typer

from flows.cli.options import Config, Json, Options, Snapshot, Traceback

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
        from edms_tasks.lineage.find_snapshot import chosen_snapshot
        from edms_tasks.lineage.snapshot_source import open_source
        from edms_tasks.shown_manifest import shown_manifest
        from flows.cli.printing.closing_summaries import print_snapshot

        repository, name = open_source(settings, snapshot)
        chosen = chosen_snapshot(settings, repository, name)
        snapshot_id, manifest = chosen.snapshot_id, shown_manifest(chosen.manifest, settings.validate_.sensitive)
        facts = {
            "snapshot": snapshot_id,
            "manifest": manifest.model_dump(mode="json"),
            "notes": list(chosen.notes),
        }
        options.finish(
            facts, lambda console: print_snapshot(console, snapshot_id, manifest, chosen.notes), 0, only_prints=True
        )
