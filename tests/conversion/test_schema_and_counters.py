"""What of a snapshot has a place in the other engine's schema, to where its migrations are run, where its counters go on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edms_tasks.conversion.id_counters import converted_positions
from edms_tasks.conversion.run_migrations import commands_to
from edms_tasks.conversion.table_pairs import pair_tables
from edms_tasks.inventory.model import Column, Edms, Table
from edms_tasks.inventory.probe_report import ProbeMigration, ProbeReport
from edms_tasks.manifest import Chunk, Manifest, NativeSchema, ObjectRef, SequencePosition, TableEntry, TableState

OPTIONS = ["--no-input", "--verbosity", "1", "--database", "other"]
REF = ObjectRef(sha256="0" * 64, size=1)


def table(name: str, *columns: str, schema: str | None = None) -> Table:
    made = tuple(
        Column(
            name=column,
            native_type="integer",
            logical_type="integer",
            nullable=True,
            identity="default" if column == "id" else "",
        )
        for column in columns
    )
    return Table(id=name, schema_name=schema, name=name, columns=made, primary_key=("id",))


def entry(of: Table, rows: int) -> TableEntry:
    chunks = (Chunk(object=REF, rows=rows),) if rows else ()
    return TableEntry(
        table=of,
        natural_key=None,
        encodings=dict.fromkeys((column.name for column in of.columns), "native"),
        state=TableState(rows=rows),
        chunks=chunks,
    )


def test_every_missing_table_and_column_is_named() -> None:
    paired = pair_tables(
        [
            entry(table("kept", "id", "a"), 1),
            entry(table("by_hand", "id"), 3),
            entry(table("nothing_in_it", "id"), 0),
            entry(table("drifted", "id", "old"), 1),
        ],
        [
            table("kept", "a", "id", schema="public"),
            table("drifted", "id", "new", schema="public"),
            table("only_there", "id", schema="public"),
        ],
    )

    assert [pair.entry.table.id for pair in paired.pairs] == ["kept"]
    assert [column.name for column in paired.pairs[0].converted_table().columns] == ["a", "id"]
    assert [columns.sqlite.name for columns in paired.pairs[0].columns()] == ["id", "a"]
    by_hand, old, new = paired.missing
    assert "'by_hand' (3 rows)" in by_hand and "no model owns it" in by_hand
    assert "'old'" in old and "'new'" in new
    assert paired.empty == ("nothing_in_it",)
    assert paired.added == ("only_there",)


def test_ids_that_were_used_once_are_not_used_again() -> None:
    tables = [table("docs", "id"), table("empty", "id"), table("odd", "id")]
    counters = {
        "docs": SequencePosition(
            schema_name="public", name="docs_id_seq", last_value=7
        ),  # migrations gave some numbers
        "empty": SequencePosition(schema_name="public", name="empty_id_seq", last_value=3),
        "odd": SequencePosition(schema_name="public", name="odd_id_seq", last_value=1, is_called=False),
    }
    given = [SequencePosition(name="docs", last_value=90), SequencePosition(name="gone", last_value=4)]

    made, left = converted_positions(tables, counters, given, {"docs": 50, "odd": 12})

    assert {position.name: (position.last_value, position.is_called) for position in made} == {
        "docs_id_seq": (90, True),
        "empty_id_seq": (1, False),
        "odd_id_seq": (12, True),
    }
    assert left == ("gone",)


def test_a_sequence_of_postgresql_becomes_the_highest_id_of_the_table() -> None:
    tables = [table("docs", "id", schema="public"), table("new", "id", schema="public")]
    counters = {"docs": SequencePosition(name="docs", last_value=0), "new": SequencePosition(name="new", last_value=0)}
    given = [
        SequencePosition(schema_name="public", name="docs_id_seq", last_value=90),
        SequencePosition(schema_name="public", name="new_id_seq", last_value=1, is_called=False),
        SequencePosition(schema_name="public", name="invoice_numbers", last_value=5),
    ]

    made, left = converted_positions(tables, counters, given, {"docs": 50})

    assert made == (SequencePosition(name="docs", last_value=90),)
    assert left == ("invoice_numbers",)


def migration(
    app: str, name: str, *after: tuple[str, str], replaces: tuple[tuple[str, str], ...] = ()
) -> ProbeMigration:
    return ProbeMigration(app=app, name=name, dependencies=after, replaces=replaces)


@pytest.mark.parametrize(
    ("planned", "commands"),
    [
        ((), [["migrate", *OPTIONS], ["migrate", "--run-syncdb", *OPTIONS]]),
        (
            (("docs", "0003"), ("new", "0001")),
            [["migrate", "docs", "0002", *OPTIONS], ["migrate", "users", "0001_squashed", *OPTIONS]],
        ),
    ],
)
def test_the_schema_is_that_of_the_snapshots_migrations(
    planned: tuple[tuple[str, str], ...], commands: list[list[str]]
) -> None:
    code = (
        migration("docs", "0001"),
        migration("docs", "0002", ("docs", "0001"), ("users", "0001_squashed")),
        migration("docs", "0003", ("docs", "0002")),
        migration("users", "0001"),
        migration("users", "0002", ("users", "0001")),
        migration("users", "0001_squashed", replaces=(("users", "0001"), ("users", "0002"))),
        migration("new", "0001"),
    )
    applied = (("docs", "0001"), ("docs", "0002"), ("users", "0001"), ("users", "0002"))

    assert commands_to(_manifest(applied), _report(code), planned, "other") == commands


def _manifest(applied: tuple[tuple[str, str], ...]) -> Manifest:
    return Manifest(
        created=datetime.now(UTC),
        edms=Edms(
            python="3",
            django="5",
            settings_module="s",
            secret_key_fingerprint="",
            migrations_applied=applied,
            migrations_leaves=(),
        ),
        engine="sqlite",
        native_schema=NativeSchema(engine="sqlite", format="sqlite-schema-json", object=REF, server_version="3"),
        sequences=(),
        tables=(),
        files=(),
        findings=(),
        versions={},
        seconds={},
        previous=None,
    )


def _report(code: tuple[ProbeMigration, ...]) -> ProbeReport:
    return ProbeReport(
        python="3",
        django="5",
        settings_module="s",
        databases=(),
        models=(),
        file_roots=(),
        migrations_applied=(),
        migrations_known=(),
        migrations_leaves=(),
        migrations_unapplied=(),
        migrations=code,
        secret_key_fingerprint="",
    )
