"""Stored generated columns while a table is loaded: those that come with their rows are kept, all others are computed."""

from __future__ import annotations

import psycopg

from edms_tasks.databases.postgresql.generated_columns import GeneratedTables
from edms_tasks.inventory.model import Column, Table
from edms_tasks.manifest import TableEntry, TableState


def test_a_computed_column_that_does_not_come_with_its_rows_is_computed(postgres_database: str) -> None:
    # What is moved from another engine has no values for it; that of the same server's brings its own.
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE paper (body text, size int GENERATED ALWAYS AS (length(body)) STORED, "
            "upper_body text GENERATED ALWAYS AS (upper(body)) STORED)"
        )
        marks = GeneratedTables(connection, is_superuser=True, another_version=False)  # type: ignore[arg-type]

        with connection.transaction(), marks.loading(connection, _entry("upper_body")) as place:  # type: ignore[arg-type]
            names = [column.name for column in place.columns]
            with connection.cursor().copy(f"COPY {place.name} ({', '.join(names)}) FROM STDIN".encode()) as copy:
                copy.write("abc\tas it was\n")
        connection.execute("INSERT INTO paper (body) VALUES ('later')")

        assert names == ["body", "upper_body"]
        assert connection.execute("SELECT * FROM paper ORDER BY body").fetchall() == [
            ("abc", 3, "as it was"),
            ("later", 5, "LATER"),
        ]


def _entry(carried: str) -> TableEntry:
    columns = (
        Column(name="body", native_type="text", logical_type="text", nullable=True),
        Column(name="size", native_type="integer", logical_type="integer", nullable=True, generated=True),
        Column(name="upper_body", native_type="text", logical_type="text", nullable=True, generated=True),
    )
    return TableEntry(
        table=Table(id="public.paper", schema_name="public", name="paper", primary_key=(), columns=columns),
        natural_key=None,
        encodings={"body": "native", carried: "native"},
        state=TableState(rows=1),
        chunks=(),
    )
