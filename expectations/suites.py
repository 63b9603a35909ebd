"""The Great Expectations suites for the tables of a restored database, one for each table.

Dangling references and duplicate keys of the source are expected in the same number. Every expectation has a readable description and
`meta["check"]`, its short name in reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import great_expectations as gx
from great_expectations.expectations.expectation import Expectation

from edms_tasks.inventory.model import CONTENT_TYPES, ForeignReference, GenericReference, SoftReference, Table
from edms_tasks.manifest import Manifest, TableEntry
from expectations.checkpoint import TableSuite
from expectations.count_queries import count_dangling, count_dangling_generic, count_key_health, count_nulls, count_rows
from expectations.integrity import (
    ExpectGenericReferenceToDangleAsAtTheSource,
    ExpectNaturalKeyToBeAsHealthyAsAtTheSource,
    ExpectReferenceToDangleAsAtTheSource,
    ExpectRequiredColumnsToBeFilled,
    ExpectTableToHoldRows,
)
from expectations.key_expressions import qualified
from expectations.row_count import ExpectTableRowCountToEqual

_A_SUITE = 1000  # the cost of preparing a suite, in rows that could be counted meanwhile


def table_suite(manifest: Manifest, entry: TableEntry, engine: str, name: str) -> TableSuite:
    """The suite for one table; `engine` is that of the restored database."""
    entries = {other.table.id: other for other in manifest.tables}
    expectations = list(_table_expectations(entry, engine, entries))
    meta = {"subject": entry.table.id, "title": entry.table.label}
    # A generic reference is looked up in all tables.
    generic = sum(isinstance(reference, GenericReference) for reference in entry.table.references)
    return TableSuite(
        gx.ExpectationSuite(name=name, expectations=expectations, meta=meta),
        rows=rows_of(entry.table),
        weight=(entry.state.rows + _A_SUITE) * len(expectations) + manifest.rows * generic,
    )


def rows_of(table: Table) -> str:
    """The SELECT of a table's rows; of a constant row if Great Expectations' own SQL cannot use the table's name."""
    return f"SELECT * FROM {qualified(table)}" if has_plain_name(table) else "SELECT 1 AS one"


def has_plain_name(table: Table) -> bool:
    """Whether SQLAlchemy and the driver leave the table's name unchanged in a statement; they change `%` and `:`."""
    return all(re.fullmatch(r"[\w .$-]+", name) for name in (table.schema_name or "public", table.name))


def _table_expectations(entry: TableEntry, engine: str, entries: Mapping[str, TableEntry]) -> Iterator[Expectation]:
    table, state = entry.table, entry.state
    yield _row_count(table, state.rows)
    if key := entry.natural_key:
        readable = key.readable or ", ".join(".".join(path) for path in key.paths)
        yield ExpectNaturalKeyToBeAsHealthyAsAtTheSource(
            query=count_key_health(engine, entry, key, entries),
            counted=["incomplete keys", "repeated keys"],
            expected=[state.key_nulls, state.key_duplicates],
            description=f"The natural key ({readable}) is unique for every row, as it was at the source.",
            meta={"check": f"natural key ({readable})"},
        )
    if required := [column for column in table.columns if not column.nullable]:
        yield ExpectRequiredColumnsToBeFilled(
            query=count_nulls(table, required),
            counted=[f"NULLs in {column.name}" for column in required],
            expected=[0] * len(required),
            description="Columns that are declared NOT NULL hold no NULL: "
            + ", ".join(column.name for column in required),
            meta={"check": "required columns"},
        )
    dangling = {reference.name: reference.dangling for reference in state.references}
    for reference in table.references:
        # The database cannot count ids in lists and texts; `digest_summary` has those that were counted.
        if not isinstance(reference, SoftReference):
            yield _reference_expectation(entry, reference, dangling.get(reference.name, 0), engine, entries)


def _row_count(table: Table, rows: int) -> Expectation:
    description, meta = f"{table.label} holds {rows:,} rows.", {"check": "rows", "counted": "rows"}
    if has_plain_name(table):
        return ExpectTableRowCountToEqual(value=rows, description=description, meta=meta)
    query = count_rows(table)
    return ExpectTableToHoldRows(query=query, counted=["rows"], expected=[rows], description=description, meta=meta)


def _reference_expectation(
    entry: TableEntry,
    reference: ForeignReference | GenericReference,
    dangling: int,
    engine: str,
    entries: Mapping[str, TableEntry],
) -> Expectation:
    if isinstance(reference, ForeignReference):
        target = entries.get(reference.target)
        partitions = [entries[name].table for name in reference.partitions if name in entries]
        return ExpectReferenceToDangleAsAtTheSource(
            query=count_dangling(engine, entry.table, reference, target.table if target else None, partitions),
            counted=["dangling"],
            expected=[dangling],
            description=f"{reference.name} points at {target.table.label if target else reference.target}; "
            f"{_as_many(dangling)}.",
            meta={
                "check": f"{reference.kind.replace('_', '-')} reference {reference.name}",
                "reference": reference.name,
            },
        )
    content_types = entries.get(CONTENT_TYPES)
    return ExpectGenericReferenceToDangleAsAtTheSource(
        query=count_dangling_generic(
            engine,
            entry.table,
            reference,
            content_types.table if content_types else None,
            [other.table for other in entries.values()],
            with_integers=[other.table.id for other in entries.values() if _has_integer_key(other)],
        ),
        counted=["dangling"],
        expected=[dangling],
        description=f"{reference.name} ({reference.content_type_column}, {reference.object_id_column}) refers to a row of any "
        f"model; {_as_many(dangling)}.",
        meta={"check": f"generic reference {reference.name}", "reference": reference.name},
    )


def _has_integer_key(entry: TableEntry) -> bool:
    """Whether the key of all rows is one integer; SQLite may have a text in such a column."""
    key = entry.table.primary_key
    return (
        len(key) == 1
        and entry.table.column(key[0]).logical_type == "integer"
        and entry.encodings.get(key[0]) == "native"
    )


def _as_many(dangling: int) -> str:
    if not dangling:
        return "no row may dangle"
    return "1 row is known to dangle" if dangling == 1 else f"{dangling:,} rows are known to dangle"
