"""Find the rows that the previous snapshot has with the natural keys that they have now, so that nothing is joined to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.table_state import dangles, dangling_examples, is_filled
from edms_tasks.incremental.changed_targets import ChangedTargets
from edms_tasks.incremental.compared_rows import ComparedRows
from edms_tasks.inventory.model import Finding, NaturalKey, Table
from edms_tasks.keys.checked_keys import CheckedKeys, TableKey
from edms_tasks.keys.joined_rows import chunk_columns
from edms_tasks.keys.key_dependencies import lead_back
from edms_tasks.manifest import Manifest, ReferenceState, TableEntry
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace

_OF_SOFT_COLUMNS = "soft-reference-unreadable"


@dataclass(frozen=True)
class KnownRows:
    """The unchanged blocks of a table, in which keys are as they were, too.

    Args:
        compared: the blocks, and the rows of all others.
        references: the state of each reference in the unchanged blocks.
    """

    compared: ComparedRows
    references: tuple[ReferenceState, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all of the table is as it was."""
        return self.compared.is_whole

    @property
    def entry(self) -> TableEntry:
        """The table in the previous snapshot."""
        return self.compared.stored.entry


def find_known_rows(
    tables: Mapping[str, Table],
    raws: Mapping[str, RawTable],
    previous: Manifest,
    compared: Mapping[str, ComparedRows],
    workspace: Workspace,
    folder: Path,
) -> dict[str, KnownRows]:
    """Table id -> its known rows; tables of which no row can be taken over are not in it.

    Args:
        tables: table id -> the tables whose rows were read.
        raws: their rows.
        previous: the previous snapshot.
        compared: the tables whose rows were compared with it.
        workspace: where to compute.
        folder: for temporary files; created.
    """
    if not compared:
        return {}
    entries = {entry.table.id: entry for entry in previous.tables}
    with workspace.cursor() as cursor:
        targets = ChangedTargets(cursor, tables, raws, entries, compared, folder)
        found = {}
        for table_id, rows in compared.items():
            if not targets.is_referred_to_by_unchanged_rows(table_id):
                references = _references(cursor, tables[table_id], rows, targets)
                if references is not None:
                    found[table_id] = KnownRows(rows, references)
        return found


def recorded_keys(
    tables: Sequence[Table], known: Mapping[str, KnownRows], needed: Collection[str]
) -> dict[str, TableKey]:
    """Table id -> the recorded key of tables whose rows are all known, so that it need not be checked and tabulated.

    Args:
        tables: the whole inventory.
        known: the known rows.
        needed: ids of tables whose keys are needed anyway.
    """
    by_id = {table.id: table for table in tables}
    tried = {table_id: _tried(table, known.get(table_id)) for table_id, table in by_id.items()}
    if lead_back(by_id, tried):
        return {}
    return {
        table_id: TableKey.recorded(
            its.entry.natural_key, nulls=its.entry.state.key_nulls, duplicates=its.entry.state.key_duplicates
        )
        for table_id, its in known.items()
        # Where another candidate did not hold, that is found again, and said again.
        if its.is_whole and table_id not in needed and its.entry.natural_key == next(iter(tried[table_id]), None)
    }


def _tried(table: Table, known: KnownRows | None) -> Sequence[NaturalKey]:
    """The candidates up to the one that held."""
    key = known.entry.natural_key if known else None
    if key not in table.key_candidates:
        return table.key_candidates
    return table.key_candidates[: table.key_candidates.index(key) + 1]


def still_hold(known: Mapping[str, KnownRows], keys: CheckedKeys, previous: Manifest) -> bool:
    """Whether all natural keys are those of the previous snapshot, now that they were checked on the rows, and chunks have its columns."""
    entries = {entry.table.id: entry for entry in previous.tables if entry.state.rows}
    return all(
        key.natural_key == entries[table_id].natural_key for table_id, key in keys.keys.items() if table_id in entries
    ) and all(
        set(chunk_columns(keys.tables[table_id], keys)) == (its.entry.types or {}).keys()
        for table_id, its in known.items()
    )


def findings_as_before(recorded: Collection[str], previous: Manifest) -> list[Finding]:
    """Findings of the previous snapshot on columns of the tables with recorded keys, which were not searched again."""
    subjects = {
        f"{entry.table.label}.{column}"
        for entry in previous.tables
        if entry.table.id in recorded
        for column in entry.table.soft_columns
    }
    return [one for one in previous.findings if one.code == _OF_SOFT_COLUMNS and one.subject in subjects]


def _references(
    cursor: duckdb.DuckDBPyConnection, table: Table, compared: ComparedRows, targets: ChangedTargets
) -> tuple[ReferenceState, ...] | None:
    """The state of each reference in the unchanged blocks: as recorded, without the rows of the others. None if that is not known."""
    recorded = compared.stored.entry.state.references
    if compared.is_whole:
        return recorded
    if not compared.unchanged:
        return tuple(one.model_copy(update={"filled": 0, "dangling": 0, "dangling_examples": ()}) for one in recorded)
    source = targets.stored_rows(table.id, compared.replaced)
    if source is None:
        return None
    asked = [f"count(*) FILTER ({test(one)})" for one in table.references for test in (is_filled, dangles)]
    counts = cursor.execute(f"SELECT {', '.join([*asked, '0'])} FROM {source}").fetchall()[0]
    found = []
    for place, one in enumerate(recorded):
        filled, dangling = int(counts[place * 2]), int(counts[place * 2 + 1])
        left = one.dangling - dangling
        examples = one.dangling_examples if left else ()
        if left and dangling:
            # The examples are the first values of all: if one is of the replaced rows, it is among the first of these.
            replaced = dangling_examples(cursor, table.references[place], source)
            if not set(examples).isdisjoint(replaced):
                unchanged = targets.stored_rows(table.id, compared.unchanged)
                if unchanged is None:
                    return None
                examples = dangling_examples(cursor, table.references[place], unchanged)
        changes = {"filled": one.filled - filled, "dangling": left, "dangling_examples": examples}
        found.append(one.model_copy(update=changes))
    return tuple(found)
