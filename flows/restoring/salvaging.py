"""What of a damaged snapshot a restore can bring back: the survey before it, and the lists of what is lost after it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edms_tasks.errors import CommandError
from edms_tasks.extract import RawTable
from edms_tasks.files.ids_in_names import measure_file_names
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.manifest import FileIndex, FileNameState, Manifest, TableEntry
from edms_tasks.repository import Repository
from edms_tasks.restore import keys_as_recorded
from edms_tasks.salvage import (
    DanglingList,
    Losses,
    NamedFiles,
    SalvagedFiles,
    SalvagedTable,
    require_schema,
    salvaged_manifest,
    salvaged_rows,
    state_of_salvaged,
    survey_files,
    survey_table,
    write_lost_files,
)
from edms_tasks.scratch.disk_space import require_space
from edms_tasks.scratch.workspace import Workspace, open_workspace
from edms_tasks.settings import Settings
from flows.restoring.target import Target
from flows.running.runner import Steps

WHOLE = "Nothing had to be salvaged: every object of the snapshot was read and is what the snapshot says."
SALVAGED = (
    "This is a salvage: of the snapshot only what is provably intact came back. What is lost is named in the report, and "
    "in the lists beside it."
)
UNMIGRATED = "The EDMS's migrations and its own `check` were not run on what was salvaged."


@dataclass(frozen=True)
class Salvage:
    """What is left of a snapshot, to be restored and proved like a snapshot of its own; and what is lost."""

    manifest: Manifest
    repository: Repository
    losses: Losses
    rows: Mapping[str, RawTable]  # table id -> what is left of tables that are not whole
    lists: Path  # folder of the lists of what is lost

    def target(self, target: Target) -> Target:
        """The same target, for what is left of the files."""
        indexes = {index.root.name: index for index in self.manifest.files}
        folders = tuple((indexes[index.root.name], final, staged) for index, final, staged in target.folders)
        return replace(target, folders=folders)

    def keep_lists(self, folder: Path) -> None:
        """Put the lists beside the report."""
        for path in sorted(self.lists.iterdir()):
            shutil.move(path, folder / path.name)


def require_leave(*, into: str | None, promote_salvaged: bool, drop_unknown: bool) -> None:
    """A salvage replaces the live system only where that was said of the salvage itself, and is never cut back."""
    if drop_unknown:
        raise CommandError(
            "A salvage cannot drop what the EDMS's code does not know: it would not be clear what was lost and what was dropped.",
            fix="Salvage it with --into and without --drop-unknown; or restore a snapshot that is whole.",
        )
    if into is None and not promote_salvaged:
        raise CommandError(
            "A salvage may lack rows and files, and nobody said that it may replace the live system.",
            fix="Add --into NAME to keep it beside the live system, or --promote-salvaged to replace that.",
        )


def survey(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    snapshot_id: str,
    manifest: Manifest,
    scratch: Path,
) -> Salvage | None:
    """Read every object of the snapshot; None where all of them are whole.

    Raises:
        DamagedRepository: the schema is lost, so that nothing can be restored.
    """
    scratch.mkdir()
    repository = repository.with_overlay(scratch / "repository")
    steps.run("check the schema", lambda: require_schema(repository, snapshot_id, manifest))
    with open_workspace(
        scratch / "workspace", memory_limit_mb=settings.memory_limit_mb, threads=settings.jobs
    ) as workspace:
        tables = steps.map(
            lambda pair: f"survey {pair[1].table.label}",
            lambda pair: survey_table(repository, pair[1], workspace, scratch / "survey" / f"{pair[0]:04d}"),
            list(enumerate(manifest.tables)),
            jobs=settings.jobs,
            weight=lambda pair: pair[1].state.rows * len(pair[1].table.columns),
        )
        files = [
            steps.run(
                f"survey the files of {index.root.name}",
                lambda number=number, index=index: _survey_root(
                    settings, steps, repository, manifest, index, scratch / f"files-{number:04d}"
                ),
            )
            for number, index in enumerate(manifest.files)
        ]
        if not any(table.loss for table in tables) and not any(root.loss for root in files):
            return None
        return _salvage(settings, steps, repository, manifest, tables, files, workspace, scratch)


def _survey_root(
    settings: Settings, steps: Steps, repository: Repository, manifest: Manifest, index: FileIndex, folder: Path
) -> SalvagedFiles:
    with steps.progress(f"files of {index.root.name}", index.files) as advance:
        return survey_files(
            index,
            repository,
            folder,
            made_up_at_ns=int(manifest.created.timestamp()) * 1_000_000_000,
            progress=advance,
            jobs=settings.jobs,
        )


def _salvage(
    settings: Settings,
    steps: Steps,
    repository: Repository,
    manifest: Manifest,
    tables: Sequence[SalvagedTable],
    files: Sequence[SalvagedFiles],
    workspace: Workspace,
    scratch: Path,
) -> Salvage:
    """Measure what is left, list what points at what is not, and make of it a manifest that a restore can follow."""
    kept = {salvaged.entry.table.id: salvaged.entry for salvaged in tables}
    # The rows that are left stand in the working folder once, less compressed, until the proof is done.
    require_space(scratch, sum(entry.stored_bytes for entry in kept.values()) * 8, "the rows that are left")
    raws = dict(
        zip(
            kept,
            steps.map(
                lambda pair: f"read what is left of {pair[1].table.label}",
                lambda pair: salvaged_rows(repository, pair[1], workspace, scratch / "rows" / f"{pair[0]:04d}"),
                list(enumerate(kept.values())),
                jobs=settings.jobs,
                weight=lambda pair: pair[1].state.rows * len(pair[1].table.columns),
            ),
            strict=True,
        )
    )
    keys = steps.run(
        "tabulate the natural keys",
        lambda: keys_as_recorded(manifest, [entry.table for entry in kept.values()], raws, workspace),
    )
    entries = steps.map(
        lambda salvaged: f"measure what is left of {salvaged.entry.table.label}",
        lambda salvaged: state_of_salvaged(salvaged, raws[salvaged.entry.table.id], keys),
        tables,
        jobs=settings.jobs,
    )
    indexes = {salvaged.index.root.name: salvaged.index for salvaged in files}
    names = measure_file_names([state.reference for state in manifest.file_names], indexes, repository, keys, scratch)
    losses = Losses(
        tables=tuple(salvaged.loss for salvaged in tables if salvaged.loss),
        files=tuple(salvaged.loss for salvaged in files if salvaged.loss),
        named_files=_named_files(manifest.file_names, names),
    )
    (scratch / "lists").mkdir()
    losses = steps.run(
        "list what points at what is lost",
        lambda: _listed(settings, losses, entries, files, raws, keys, workspace, scratch / "lists"),
    )
    partial = {loss.table_id: raws[loss.table_id] for loss in losses.tables if raws[loss.table_id].files}
    left = salvaged_manifest(manifest, entries, indexes, names)
    return Salvage(left, repository, losses, partial, scratch / "lists")


def _named_files(before: Sequence[FileNameState], now: Sequence[FileNameState]) -> tuple[NamedFiles, ...]:
    """Files whose names lead nowhere now; those that did not come back themselves are no more among them."""
    return tuple(
        NamedFiles(is_.reference.root, is_.reference.pattern, is_.dangling - was.dangling)
        for was, is_ in zip(before, now, strict=True)
        if is_.dangling > was.dangling
    )


def _listed(
    settings: Settings,
    losses: Losses,
    entries: Sequence[TableEntry],
    files: Sequence[SalvagedFiles],
    raws: Mapping[str, RawTable],
    keys: CheckedKeys,
    workspace: Workspace,
    folder: Path,
) -> Losses:
    dangling = DanglingList(workspace, settings.validate_.sensitive)
    for entry in entries:
        dangling.add_references(entry.table, raws[entry.table.id], keys)
        for salvaged in files:
            if salvaged.lost is not None:
                dangling.add_files(
                    entry.table, raws[entry.table.id], salvaged.index.root, salvaged.lost, salvaged.present
                )
    lines, named = dangling.write(folder / "dangling.csv", folder / "lost-rows.csv")
    lists = {"dangling.csv": lines, "lost-rows.csv": named}
    lost_files = {salvaged.index.root.name: salvaged.lost for salvaged in files if salvaged.lost is not None}
    if lost_files:
        lists["lost-files.csv"] = write_lost_files(workspace, lost_files, folder / "lost-files.csv")
    for name in [name for name, count in lists.items() if not count]:
        (folder / name).unlink()
        del lists[name]
    return replace(losses, dangling=dangling.summary(), lists=lists)
