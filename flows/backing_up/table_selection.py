"""The contents of a snapshot: the tables, and those that the settings exclude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edms_tasks.databases.protocol import View
from edms_tasks.digests.table_state import empty_state
from edms_tasks.errors import SettingsError
from edms_tasks.findings import make_finding
from edms_tasks.inventory.build_inventory import excluded_tables
from edms_tasks.inventory.model import Finding, ForeignReference, Inventory, Table
from edms_tasks.manifest import TableEntry
from edms_tasks.owners_suites import findings_of, read_suites
from edms_tasks.proof.block_hash import EMPTY_PROOF
from edms_tasks.scratch.disk_space import has_space, require_space
from flows.backing_up.make_snapshot import BackupSource, SnapshotInTheMaking
from flows.running.run import Run
from flows.tasks.inspect_tasks import read_catalogue

_PLENTY = 50
"""So many times the size of the database's files are enough for its rows, but for texts that the server compresses to less than that; they
fill the disk at worst, which a backup reports."""


@dataclass(frozen=True)
class SnapshotContents:
    """The EDMS's tables and folders, and the tables that are stored with their rows."""

    inventory: Inventory
    kept: Sequence[Table]
    left_out: Sequence[TableEntry]  # tables without rows: a restore creates them empty


def choose_contents(run: Run, source: BackupSource, view: View, making: SnapshotInTheMaking) -> SnapshotContents:
    """Determine the contents of a snapshot; adds to `findings`.

    Raises:
        SettingsError: a table is excluded that others refer to.
        NoSpace: the working folder has no space for the rows.
    """
    inventory = run.call(read_catalogue, source.report, view, run.settings, source.engine)
    excluded = excluded_tables(inventory, run.settings)
    _require_closed(inventory, excluded)
    left_out = [inventory.table(table_id) for table_id in sorted(excluded)]
    making.findings += [*inventory.findings, *view.findings(), *view.violated_constraints()]
    making.findings += map(_excluded_finding, left_out)
    making.findings += findings_of(read_suites(run.settings.validate_.suites, inventory.tables)[1])
    kept = [table for table in inventory.tables if table.id not in excluded]
    # Each table's rows are there raw, and also compressed until they are in the repository. To estimate their size takes a look at
    # each row, which is not needed where there is plenty.
    if not has_space(making.folder, view.bytes_on_disk() * _PLENTY):
        require_space(making.folder, view.raw_bytes(kept) * 5 // 4, "the rows of the database")
    return SnapshotContents(inventory, kept, [_empty_entry(table) for table in left_out])


def _require_closed(inventory: Inventory, excluded: frozenset[str]) -> None:
    """Refuse to exclude a table that an enforced reference of another needs: such a backup could not be restored."""
    for table in inventory.tables:
        if table.id in excluded:
            continue
        for reference in table.references:
            left_out = excluded.intersection(reference.targets) if isinstance(reference, ForeignReference) else ()
            if isinstance(reference, ForeignReference) and reference.enforced and left_out:
                target = inventory.table(min(left_out))
                raise SettingsError(
                    f"{target.label} cannot be left out: {table.label} refers to it.",
                    where="[exclude] tables",
                    fix=f"Leave {table.label} out too, or keep {target.label}.",
                )


def _excluded_finding(table: Table) -> Finding:
    return make_finding("excluded", table.label)


def _empty_entry(table: Table) -> TableEntry:
    return TableEntry(
        table=table,
        natural_key=None,
        encodings={column.name: "native" for column in table.columns},
        state=empty_state(table).model_copy(update={"proof": EMPTY_PROOF}),
        chunks=(),
        blocks=(),
        ordered_by=(),
        types={},
    )
