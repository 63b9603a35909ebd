"""Restore a masked copy: the steps that replace those of a normal restore.

The masked rows and files are written into a repository of their own over the snapshot's, and from there on they are restored and
compared like any others. What is read back is searched for the original values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.protocol import StagingDatabase
from edms_tasks.errors import CheckFailed, TerminalError
from edms_tasks.files.index_fetch import open_own_index
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import FileIndex, Manifest, TableEntry
from edms_tasks.masking.mask_plan import CODE_TABLES, MaskPlan, TableMask, plan_masks
from edms_tasks.masking.masked_files import MaskedRoot, mask_files
from edms_tasks.masking.masked_rows import MaskedTable, emptied, mask_rows
from edms_tasks.masking.masked_texts import mask_functions
from edms_tasks.masking.masking_facts import MaskingFacts
from edms_tasks.masking.original_values import OriginalColumn, collect_originals
from edms_tasks.masking.pseudonyms import MaskKey, mask_key
from edms_tasks.masking.rules import load_rules
from edms_tasks.masking.search import Hit, search_names, search_rows
from edms_tasks.repository import Repository
from edms_tasks.restore import load_table
from edms_tasks.scratch.disk_space import require_space
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace
from flows.restoring.full_text import full_text_indexes, shadows_of, without_indexes
from flows.restoring.open_restore import Opened
from flows.restoring.restore_sources import WholeSnapshot
from flows.running.flow_decorators import task
from flows.running.run import Numbered, Run, numbered
from flows.tasks.restore_tasks import Load

_TREATED = {
    "placeholder": "{files:,} replaced by placeholders{others}; their names are as they were",
    "leave-out": "{files:,} left out",
    "keep": "{files:,} COPIED AS THEY ARE; their contents were not searched",
}
_ERASED_BEFORE = "Rows were erased from this snapshot before it was masked: what they held is not searched for."


@dataclass(frozen=True, kw_only=True)
class MaskedSnapshot(WholeSnapshot):
    """A snapshot with masked rows and files, to be restored and validated like a whole one; and what to search it for.

    Args:
        staged: the manifest as the staging database has it: with the columns that the database computes, which `manifest` lacks where
            a table is masked.
        plan: what is masked.
        facts: the evidence so far.
        originals: the values that masked columns held.
    """

    staged: Manifest
    plan: MaskPlan
    facts: MaskingFacts
    originals: tuple[OriginalColumn, ...]
    workspace: Workspace = field(repr=False)

    @property
    def staged_manifest(self) -> Manifest:
        """The masked manifest as the staging database has it."""
        return self.staged

    @property
    def whole(self) -> Manifest:
        """The same: the report compares with it."""
        return self.staged

    @property
    def load(self) -> Load:
        """Fetch, verify and load a table with pseudonyms."""
        return load_masked

    def bring_back(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], folder: Path
    ) -> tuple[Sequence[Table], Mapping[str, RawTable]]:
        """Tables and rows without what is not compared: computed columns of masked tables, and search indexes."""
        kept, raws = super().bring_back(run, tables, raws, folder)
        found = {}
        for place, table in numbered(kept):
            mask = self.plan.tables.get(table.id)
            computed = mask.computed if mask is not None else ()
            found[table.id] = _without(raws[table.id], computed, folder / place) if computed else raws[table.id]
        return kept, found

    def examine(
        self, run: Run, tables: Sequence[Table], raws: Mapping[str, RawTable], scratch: Path
    ) -> MaskingFacts | None:
        """Search all columns that were read back, and the names of files, for the original values."""
        with self.workspace.cursor() as cursor:
            searchable = collect_originals(cursor, self.originals, self.plan.search)
        # By the models' names, where there are models.
        named = {entry.table.id: entry.table for entry in self.staged.tables}
        searched = [named.get(table.id, table) for table in tables if table.id not in CODE_TABLES]
        reads = [SearchedRows(table, raws[table.id]) for table in searched]
        hits = [hit for found in run.map(search_table, reads, self.plan, self.workspace) for hit in found]
        for index in self.manifest.files:
            hits += run.call(search_file_names, index, self.repository, self.workspace, scratch)
        labels = {table.id: named.get(table.id, table).label for table in tables}
        skipped = [f"{labels.get(table, table)}.{column}" for table, column in sorted(self.plan.may_hold)]
        code = [f"{labels[table]} (names from the EDMS's code)" for table in sorted(CODE_TABLES & labels.keys())]
        return replace(
            self.facts,
            values=searchable.values,
            only_in_texts=searchable.only_in_texts,
            too_short=searchable.too_short,
            not_personal=searchable.not_personal,
            searched=sum(len(table.columns) for table in searched) - len(skipped),
            not_searched=(*skipped, *code),
            hits=tuple(hits),
        )


def load_masked(staging: StagingDatabase, repository: Repository, entry: TableEntry, folder: Path) -> int:
    """Fetch, verify and load a table; raises CheckFailed if the database refuses what the rules made of its rows."""
    try:
        return load_table(staging, repository, entry, folder)
    except TerminalError as refused:
        if type(refused) is not TerminalError:
            raise  # such as a damaged chunk
        raise CheckFailed(
            refused.what,
            where=refused.where,
            why=refused.why,
            fix="The live system is untouched. A pseudonym may break a CHECK or a type: choose a kind that fits, such as email for"
            " addresses (docs/masking.md).",
        ) from refused.__cause__


@dataclass(frozen=True)
class SearchedRows:
    """A table, and its rows as they were read back."""

    table: Table
    raw: RawTable


@task(
    name="mask table",
    tags=["mask"],
    task_run_name="mask {mask.item.entry.table.label}",
    weight=lambda mask: mask.item.entry.state.rows * len(mask.item.columns),
)
def mask_table(
    mask: Numbered[TableMask], repository: Repository, key: MaskKey, workspace: Workspace, scratch: Path
) -> MaskedTable:
    """Mask the rows of a table."""
    return mask_rows(workspace, repository, key, mask.item, scratch / mask.folder)


@task(name="mask files", tags=["mask"], task_run_name="mask the files of {index.item.root.name}")
def mask_root(index: Numbered[FileIndex], plan: MaskPlan, repository: Repository, scratch: Path) -> MaskedRoot:
    """Mask the files of a root."""
    return mask_files(index.item, plan.files[index.item.root.name], repository, scratch / f"files-{index.folder}")


@task(
    name="search table",
    tags=["validate"],
    task_run_name="search {read.table.label} for original values",
    weight=lambda read: read.raw.rows,
)
def search_table(read: SearchedRows, plan: MaskPlan, workspace: Workspace) -> tuple[Hit, ...]:
    """Search the rows of a table for original values."""
    skipped = {column for table, column in plan.may_hold if table == read.table.id}
    with workspace.cursor() as cursor:
        return search_rows(cursor, read.table, read.raw, skipped)


@task(name="search file names", tags=["validate"], task_run_name="search the names of files in {index.root.name}")
def search_file_names(index: FileIndex, repository: Repository, workspace: Workspace, scratch: Path) -> tuple[Hit, ...]:
    """Search the names of a root's files and folders for original values."""
    with open_own_index(index, repository, scratch) as opened, workspace.cursor() as cursor:
        return search_names(cursor, index.root.name, opened.paths)


def mask_snapshot(run: Run, opened: Opened, rules_file: Path, scratch: Path, cleanup: ExitStack) -> MaskedSnapshot:
    """Mask a snapshot's rows and files. `scratch` is created; `cleanup` closes what the search needs until the end.

    Raises:
        SettingsError: the rules are invalid, or do not fit the snapshot.
        CheckFailed: a value cannot be masked by its rule.
    """
    repository, manifest = opened.repository, opened.manifest
    plan, key = plan_masks(manifest, load_rules(rules_file), str(rules_file)), mask_key()
    scratch.mkdir()
    require_space(scratch, sum(mask.entry.room for mask in plan.tables.values()) * 2, "the masked rows")
    own = repository.with_overlay(scratch / "repository")
    workspace = cleanup.enter_context(run.workspace(scratch / "workspace"))
    cleanup.enter_context(mask_functions(workspace.engine, key.text))
    masks = list(plan.tables.values())
    made = run.map(mask_table, numbered(masks), own, key, workspace, scratch / "rows")
    masked = {mask.entry.table.id: one for mask, one in zip(masks, made, strict=True)}
    roots = [run.call(mask_root, index, plan, own, scratch) for index in numbered(manifest.files)]
    indexes = full_text_indexes(repository, manifest, scratch / "schema")
    indexed = opened.indexed | shadows_of(indexes)
    manifest = without_indexes(manifest, indexes)
    changed = {
        "files": tuple(root.index for root in roots),
        "file_names": (),  # they count contents of files
    }
    entries = manifest.tables
    empty = {entry.table.id: emptied(entry) for entry in entries if entry.table.id in plan.emptied}
    measured = {table_id: one.measured for table_id, one in masked.items()} | empty
    staged = {table_id: one.staged for table_id, one in masked.items()} | empty
    facts = MaskingFacts(
        columns=tuple(line for mask in masks for line in mask.described),
        emptied={entry.table.label: entry.state.rows for entry in entries if entry.table.id in empty},
        files={root.index.root.name: _treated(root) for root in roots},
        untouched=sum(entry.table.id not in measured for entry in entries),
        key=key.source,
        computed=tuple(f"{mask.entry.table.label}.{name}" for mask in masks for name in mask.computed),
        left_out=tuple(index.name for index in indexes),
        warnings=(*plan.warnings, *((_ERASED_BEFORE,) if opened.like else ())),
    )
    originals = tuple(
        OriginalColumn(
            f"{mask.entry.table.label}.{column.name}",
            masked[mask.entry.table.id].originals[column.name],
            is_date=column.rule.kind == "shift",
        )
        for mask in masks
        for column in mask.columns
    )
    return MaskedSnapshot(
        manifest=manifest.model_copy(update={**changed, "tables": _with(entries, measured)}),
        repository=own,
        notes=facts.notes(),
        like={**opened.like, **{table_id: one.like for table_id, one in masked.items() if one.like is not None}},
        staged=manifest.model_copy(update={**changed, "tables": _with(entries, staged)}),
        plan=plan,
        facts=facts,
        indexed=indexed,
        originals=originals,
        workspace=workspace,
    )


def _with(entries: Sequence[TableEntry], others: Mapping[str, TableEntry]) -> tuple[TableEntry, ...]:
    """The entries with others in the place of some, by table id."""
    return tuple(others.get(entry.table.id, entry) for entry in entries)


def _treated(root: MaskedRoot) -> str:
    others = f", {root.other_types:,} of them by text although their names say otherwise" if root.other_types else ""
    return _TREATED[root.treatment].format(files=root.files, others=others)


def _without(raw: RawTable, names: Sequence[str], folder: Path) -> RawTable:
    """The rows without some columns."""
    folder.mkdir(parents=True)
    files = []
    for number, path in enumerate(raw.files):
        files.append(folder / f"{number:06d}.parquet")
        with pq.ParquetFile(path) as file:
            kept = [column for column in file.schema_arrow if column.name not in names]
            with pq.ParquetWriter(files[-1], pa.schema(kept, file.schema_arrow.metadata)) as writer:
                for group in range(file.num_row_groups):
                    writer.write_table(file.read_row_group(group, [column.name for column in kept]))
    return replace(raw, files=tuple(files))
