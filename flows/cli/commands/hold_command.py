"""Hold and release: snapshots that no prune removes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import Config, Json, Options, Snapshot, Traceback, command_error

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.pruning.mark_snapshots import Marked

HOLD_EXAMPLES = ('hold latest --reason "audit of 2026"', 'hold 3f2a9c --reason "case 7" --by "Ann Example"')
RELEASE_EXAMPLES = ('release 3f2a9c --reason "case 7 is closed"',)
TAG_EXAMPLES = ("tag latest before-upgrade", "tag latest before-upgrade --remove")

By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="Who says so (default: the user).", show_default=False)
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is recorded in the repository.")]


def hold(
    context: typer.Context,
    snapshot: Snapshot,
    reason: Reason,
    by: By = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Hold a snapshot: no prune removes it until it is released."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows import marks

        settings = options.settings()
        _finish(options, marks.hold(settings, snapshot, reason=reason, by=by))


def release(
    context: typer.Context,
    reason: Reason,
    snapshot: Annotated[
        str | None, typer.Argument(metavar="SNAPSHOT", help="The snapshot that is held.", show_default=False)
    ] = None,
    lost_records: Annotated[
        bool, typer.Option("--lost-records", help="Instead: say that missing records are lost for good.")
    ] = False,
    by: By = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """End the holds of a snapshot."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        if lost_records == (snapshot is not None):
            raise command_error(
                "Name either a snapshot or --lost-records.", "`edms-backup list` shows which snapshots are held."
            )
        from flows import marks

        settings = options.settings()
        if snapshot is None:
            lost = marks.give_up_lost_records(settings, reason=reason, by=by)

            def show(console: Console) -> None:
                from flows.cli.printing.layout import line

                for one in lost:
                    line(console, f"given up  record {one}")

            options.finish({"given_up": list(lost)}, show, 0)
            return
        _finish(options, marks.release(settings, snapshot, reason=reason, by=by))


def tag(
    context: typer.Context,
    snapshot: Snapshot,
    name: Annotated[str, typer.Argument(metavar="TAG", help="A word such as before-upgrade.", show_default=False)],
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag off.")] = False,
    by: By = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Give a snapshot a tag, or take it off."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting():
        from flows import marks

        settings = options.settings()
        _finish(options, marks.tag(settings, snapshot, name, remove=remove, by=by))


def _finish(options: Options, marked: Marked) -> None:
    def show(console: Console) -> None:
        from flows.cli.printing.pruning import print_marked

        print_marked(console, marked)

    facts = {
        "snapshot": marked.snapshot_id,
        "done": marked.done,
        "holds": [{"by": one.by, "at": one.at.isoformat(), "reason": one.reason} for one in marked.holds],
        "tags": list(marked.tags),
    }
    options.finish(facts, show, 0)
