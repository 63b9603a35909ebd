"""The result for each table of a validated restore after it was migrated forward to the EDMS's code, or reduced to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edms_tasks.databases.protocol import DroppedPart
from edms_tasks.migrating.migration_history import Key

Change = Literal["same", "other rows", "other columns", "removed", "new"]


@dataclass(frozen=True)
class TableOutcome:
    """A table in the snapshot, and after the migration.

    `same`: number and exact digest of the rows are those of the snapshot, over all columns that remain.
    """

    table_id: str
    label: str
    change: Change
    rows_before: int | None  # None: the snapshot has no such table
    rows_after: int | None  # None: the table was dropped
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The outcome for `--json` and the report."""
        return {
            "table": self.table_id,
            "model": self.label,
            "change": self.change,
            "rows_before": self.rows_before,
            "rows_after": self.rows_after,
            "columns_added": list(self.columns_added),
            "columns_removed": list(self.columns_removed),
        }


@dataclass(frozen=True)
class CodeMigration:
    """How a restored database was brought to the EDMS's code: migrated forward, or reduced."""

    migrations: tuple[Key, ...]  # run, in this order
    tables: tuple[TableOutcome, ...]
    dropped: tuple[DroppedPart, ...] = ()

    def of(self, change: Change) -> tuple[TableOutcome, ...]:
        """The tables with this outcome."""
        return tuple(table for table in self.tables if table.change == change)

    def as_json(self) -> dict[str, Any]:
        """All outcomes for `--json` and the report."""
        return {
            "migrations": [f"{app}.{name}" for app, name in self.migrations],
            "tables": [table.as_json() for table in self.tables],
            "dropped": [{"kind": part.kind, "name": part.name, "held": part.held} for part in self.dropped],
        }

    def dropped_in_short(self) -> str:
        """`2 tables (3 rows), 4 columns (50 values)`."""
        said = []
        for kind, held in (("table", "rows"), ("column", "values")):
            parts = [part.held for part in self.dropped if part.kind == kind]
            said.append(f"{len(parts):,} {kind}{'' if len(parts) == 1 else 's'} ({sum(parts):,} {held})")
        return ", ".join(said)

    def sentences(self) -> tuple[str, ...]:
        """The outcome in sentences, with names of tables and columns."""
        return self._said_of_migrations() if self.migrations else self._said_of_drops()

    def _said_of_migrations(self) -> tuple[str, ...]:
        said = [
            _named("The migrations changed the columns of", self.of("other columns"), _columns_and_rows),
            _named("The migrations removed", self.of("removed"), lambda table: f"{table.label} ({_rows(table)})"),
            _named("The migrations made", self.of("new"), lambda table: f"{table.label} ({_rows(table)})"),
            _named(
                "Columns as in the snapshot, but other rows, after the migrations:",
                self.of("other rows"),
                lambda table: f"{table.label} ({_rows(table)})",
            ),
            f"All other tables ({len(self.of('same')):,}) still hold the snapshot's rows after the migrations, by number and exact "
            "digest. Every foreign key that was valid before still is.",
        ]
        return tuple(sentence for sentence in said if sentence)

    def _said_of_drops(self) -> tuple[str, ...]:
        tables = [part for part in self.dropped if part.kind == "table"]
        columns = [part for part in self.dropped if part.kind == "column"]
        along = [part.name for part in self.dropped if part.kind == "dependent"]
        records = [part.name for part in self.dropped if part.kind == "migration"]
        said = [
            _list("Dropped tables:", [f"{part.name} ({part.held:,} rows)" for part in tables]),
            _list("Dropped columns:", [f"{part.name} ({part.held:,} values)" for part in columns]),
            _list("Dropped with them:", along),
            _list("Records of migrations removed:", records),
            "What was dropped is still in the snapshot. Everything else is unchanged, by number of rows and exact digest "
            "of the remaining columns.",
        ]
        return tuple(sentence for sentence in said if sentence)


def _named(beginning: str, tables: Sequence[TableOutcome], tell: Callable[[TableOutcome], str]) -> str:
    return _list(beginning, [tell(table) for table in tables])


def _list(beginning: str, names: Sequence[str]) -> str:
    return f"{beginning} {', '.join(names)}." if names else ""


def _columns_and_rows(table: TableOutcome) -> str:
    columns = [f"-{name}" for name in table.columns_removed] + [f"+{name}" for name in table.columns_added]
    return f"{table.label} ({', '.join([*columns, _rows(table)])})"


def _rows(table: TableOutcome) -> str:
    if table.rows_before is None or table.rows_after is None or table.rows_before == table.rows_after:
        return f"{table.rows_after if table.rows_before is None else table.rows_before:,} rows"
    return f"{table.rows_before:,} rows before, {table.rows_after:,} after"
