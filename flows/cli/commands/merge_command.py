"""Merge: bring a snapshot into a system that has rows of its own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.confirming import confirm, live_system
from flows.cli.options import All, Config, Flow, Json, NoWait, Options, Snapshot, Traceback, command_error, from_request
from flows.requests import MergeRequest, Policy

if TYPE_CHECKING:
    from rich.console import Console

    from edms_tasks.settings import Settings
    from flows.merge import MergeResult
    from flows.running.flow_decorators import Verb

EXAMPLES = (
    "merge latest --dry-run",
    "merge latest --yes",
    "merge latest --on-conflict keep --on-conflict users.User=overwrite",
    "merge latest --key documents.Document=number --dry-run",
    "merge latest --only documents.Document:SOP-0001 --with-dependents",
)
_POLICIES: dict[str, Policy] = {"overwrite": "overwrite", "keep": "keep", "fail": "fail"}
OnConflict = Annotated[
    list[str] | None,
    typer.Option(
        metavar="POLICY",
        help="What to do with rows of both systems that differ: overwrite (default), keep or fail; for one model: "
        "documents.Document=keep. Can be given several times.",
    ),
]


def merge(
    context: typer.Context,
    snapshot: Snapshot,
    on_conflict: OnConflict = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL:KEY",
            help="Only this object, and what it refers to if it is missing: documents.Document:SOP-0001, or by a column: "
            "documents.Document:number=SOP-*. Can be given several times.",
        ),
    ] = None,
    with_dependents: Annotated[bool, from_request(MergeRequest, "with_dependents")] = False,
    key: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL=FIELD,…",
            help="Match the rows of a model by these fields instead of the snapshot's natural key: documents.Document=number. "
            "Takes precedence over [natural_keys] of the settings. Can be given several times.",
        ),
    ] = None,
    rename_files: Annotated[bool, from_request(MergeRequest, "rename_files")] = False,
    not_a_reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="This column contains no ids of rows, although it looks like it: documents.Document.batch_id; or these file "
            "names: 'media:logos/*'. It stays as it is. Can be given several times.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before writing to the live system.")] = False,
    every: All = False,
    without_erasures: Annotated[str, from_request(MergeRequest, "without_erasures", metavar="REASON")] = "",
    reason: Annotated[str, from_request(MergeRequest, "reason", metavar="TEXT")] = "",
    no_wait: NoWait = False,
    flow: Flow = None,
    config: Config = None,
    as_json: Json = False,
    traceback: Traceback = False,
) -> None:
    """Merge a snapshot into the live database: rows are matched by natural key, and rows of the live database only stay."""
    options = Options.of(context, config, as_json, traceback)
    with options.reporting("" if dry_run or sys.stdin.isatty() else "merge"):  # else a person has said no, and knows
        default, models = policies_of(on_conflict or [])
        if with_dependents and not only:
            raise command_error(
                "--with-dependents needs --only.", "Name the object: --only documents.Document:SOP-0001."
            )
        if not dry_run and not yes:
            _confirm(options.settings(), asking=not options.as_json and sys.stdin.isatty())
        request = MergeRequest(
            snapshot=snapshot,
            on_conflict=default,
            models=models,
            only=tuple(only or ()),
            with_dependents=with_dependents,
            keys=keys_of(key or []),
            rename_files=rename_files,
            not_references=tuple(not_a_reference or ()),
            dry_run=dry_run,
            confirm=True,
            wait=not no_wait,
            without_erasures=without_erasures,
            reason=reason,
        )
        result = options.runner(flow).perform(_verb, request)

        def show(console: Console) -> None:
            from flows.cli.printing.merge_plan import print_merge

            print_merge(console, result, every=every)

        options.finish(result.as_json(), show, 0 if result.success else 1)


def policies_of(given: list[str]) -> tuple[Policy, dict[str, Policy]]:
    """The policy for all models, and those for some: from `keep` and `documents.Document=keep`."""
    default: Policy = "overwrite"
    models: dict[str, Policy] = {}
    for one in given:
        name, _, wanted = one.rpartition("=")
        policy = _POLICIES.get(wanted)
        if policy is None:
            raise command_error(
                f"{wanted!r} is not a policy.", f"Use one of {', '.join(_POLICIES)}, e.g. --on-conflict keep."
            )
        if name:
            models[name] = policy
        else:
            default = policy
    return default, models


def keys_of(given: list[str]) -> dict[str, tuple[str, ...]]:
    """Fields by model: from `documents.DocumentVersion=document.number,version`."""
    keys: dict[str, tuple[str, ...]] = {}
    for one in given:
        model, equals, fields = one.partition("=")
        names = tuple(name.strip() for name in fields.split(","))
        if not (model and equals and all(names)):
            raise command_error(f"{one!r} is not a key.", "Write MODEL=FIELD, e.g. --key documents.Document=number.")
        if model in keys:
            raise command_error(f"Two keys are given for {model}.", f"Write one: --key {model}=FIELD,FIELD.")
        keys[model] = names
    return keys


def _confirm(settings: Settings, *, asking: bool) -> None:
    if not asking:
        raise command_error(
            "This merge writes to the live database, and there is no terminal to ask for confirmation.",
            "Pass --yes, or --dry-run to see the plan.",
        )
    confirm(
        "The snapshot will be merged into the live system, after a safety snapshot and a validation of the result:\n"
        f"{live_system(settings)}\n"
        "`edms-backup merge SNAPSHOT --dry-run` shows what it would do."
    )


def _verb() -> Verb[MergeRequest, MergeResult]:
    from flows.merge import merge

    return merge
