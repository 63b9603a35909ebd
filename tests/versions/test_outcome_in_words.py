"""What following the code did, as it is told: every table and every dropped thing by name, with what it held."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from edms_tasks.databases.protocol import DroppedPart
from edms_tasks.migrating.migration_outcome import CodeMigration, TableOutcome
from flows.cli.printing.closing_summaries import print_restore
from flows.restoring.restore_result import RestoreResult

TABLES = (
    TableOutcome("a", "app.A", "same", 5, 5),
    TableOutcome("b", "app.B", "other rows", 1_000, 1_001),
    TableOutcome("c", "app.C", "other columns", 7, 7, ("new",), ("old",)),
    TableOutcome("d", "app.D", "removed", 3, None),
    TableOutcome("e", "app.E", "new", None, 4),
)


def test_migrations_are_reported_table_by_table() -> None:
    said = CodeMigration((("app", "0002"),), TABLES).sentences()

    assert said[:4] == (
        "The migrations changed the columns of app.C (-old, +new, 7 rows).",
        "The migrations removed app.D (3 rows).",
        "The migrations made app.E (4 rows).",
        "Columns as in the snapshot, but other rows, after the migrations: app.B (1,000 rows before, 1,001 after).",
    )
    assert said[4].startswith("All other tables (1) still hold")


def test_drops_are_reported_by_name_and_in_short_beside_the_verdict() -> None:
    dropped = (
        DroppedPart("table", "shelf", 3),
        DroppedPart("column", "document.barcode", 1_500),
        DroppedPart("column", "document.shelf_id", 2),
        DroppedPart("dependent", "index by_barcode on document"),
        DroppedPart("migration", "app.0007"),
    )
    code_migration = CodeMigration((), (), dropped)
    path = Path("report")
    result = RestoreResult(
        "5" * 64,
        "proved",
        True,
        "db",
        None,
        path,
        path,
        path,
        (),
        code_migration.sentences(),
        9,
        1,
        {},
        code_migration=code_migration,
    )
    told = io.StringIO()

    print_restore(Console(file=told, width=500), result)

    said = told.getvalue()
    for name in (
        "shelf (3 rows)",
        "document.barcode (1,500 values)",
        "document.shelf_id (2 values)",
        "index by_barcode on document",
        "app.0007",
        "dropped after validation, as requested: 1 table (3 rows), 2 columns (1,502 values)",
    ):
        assert name in said
