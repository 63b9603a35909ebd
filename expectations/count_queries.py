"""Queries that count rows, keys, required columns and references for a validation. Each is one SELECT and returns one row.

A query returns counts only, so that no value of the EDMS gets into a report. Identifiers are quoted here; `integrity.py` runs the
text unchanged.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from edms_tasks.databases.comparable_sql import as_integer, equal, text_of
from edms_tasks.databases.engines import reads_parts_of_tables
from edms_tasks.databases.postgresql.reference_comparison import covered, points_at, rows_of
from edms_tasks.inventory.model import Column, ForeignReference, GenericReference, NaturalKey, Table
from edms_tasks.manifest import TableEntry
from edms_tasks.quoting import identifier, literal
from expectations.key_expressions import key_query, qualified

Entries = Mapping[str, TableEntry]


def count_rows(table: Table) -> str:
    """A query for the number of rows."""
    return f"SELECT COUNT(*) FROM {qualified(table)}"


def count_nulls(table: Table, columns: Sequence[Column]) -> str:
    """A query for the number of NULLs in each column."""
    counts = ",\n  ".join(f"COUNT(*) - COUNT({identifier(column.name)})" for column in columns)
    return f"SELECT\n  {counts}\nFROM {qualified(table)}"


def count_key_health(engine: str, entry: TableEntry, key: NaturalKey, entries: Entries) -> str:
    """A query for the number of rows whose natural key has a NULL part, and of rows beyond the first of each key (NULLs are equal)."""
    query = key_query(engine, entry, key, entries)
    names = [f"p{number}" for number in range(len(query.parts))]
    parts = ", ".join(f"{part} AS {name}" for part, name in zip(query.parts, names, strict=True))
    some_null = " OR ".join(f"{name} IS NULL" for name in names)
    columns = ", ".join(names)
    return (
        f"SELECT\n  COALESCE(SUM(CASE WHEN {some_null} THEN n ELSE 0 END), 0),\n  COALESCE(SUM(n - 1), 0)\n"
        f"FROM (\n SELECT {columns}, COUNT(*) AS n\n FROM (\n  SELECT {parts}\n  FROM {query.source}\n ) AS keyed\n"
        f" GROUP BY {columns}\n) AS counted"
    )


def count_dangling(
    engine: str, table: Table, reference: ForeignReference, target: Table | None, partitions: Sequence[Table] = ()
) -> str:
    """A query for the number of rows whose reference is filled and dangles; all filled ones if the target was left out.

    Args:
        engine: the engine that runs the query.
        table: the table whose rows are counted.
        reference: a reference of the table.
        target: the table that it points at; None if it was left out.
        partitions: if the target is partitioned, the tables that contain its rows.
    """
    filled = " AND ".join(f"s.{identifier(column)} IS NOT NULL" for column in reference.columns)
    count = f"SELECT COUNT(*)\nFROM {qualified(table)} AS s"
    targets = [*partitions] or ([target] if target is not None else [])
    if not targets:
        return f"{count}\nWHERE {filled}"
    rows = rows_of(targets, reference.target_columns) if reads_parts_of_tables(engine) else qualified(targets[0])
    if reference.temporal:
        return f"{count}\nWHERE {filled} AND NOT {covered(reference, 's', rows)}"
    if reference.comparisons:
        same = points_at(reference, "s", "t")
        return f"{count}\nWHERE {filled} AND NOT EXISTS (\n  SELECT 1 FROM {rows} AS t WHERE {same}\n)"
    target = targets[0]
    pairs = zip(reference.columns, reference.target_columns, strict=True)
    on = " AND ".join(equal(engine, ("s", table.column(a)), ("t", target.column(b))) for a, b in pairs)
    missing = f"t.{identifier(reference.target_columns[0])} IS NULL"
    return f"{count}\n  LEFT JOIN {rows} AS t ON {on}\nWHERE {filled} AND {missing}"


def count_dangling_generic(
    engine: str,
    table: Table,
    reference: GenericReference,
    content_types: Table | None,
    targets: Sequence[Table],
    with_integers: Container[str] = (),
) -> str:
    """A query for the number of rows whose content type and object id are filled and dangle.

    It is the number of filled rows, less those found by a semi-join for each model whose table has a single-column key. Rows are first
    grouped by what they point at, so that the table is read once, however many models there are, and the groups are only read again for
    models that some row points at.

    `with_integers` are the ids of targets whose keys are all integers: their rows are found by index, and not all of them read.
    """
    kind, number = table.column(reference.content_type_column), table.column(reference.object_id_column)
    with_groups = (
        f"WITH pointing AS MATERIALIZED (\n"
        # An integer is written alike with and without the dashes of UUIDs.
        f" SELECT g.{identifier(kind.name)}, {_undashed('g.written')} AS number, {as_integer(engine, 'g.written')} AS whole, g.n\n"
        f" FROM (\n"
        f"  SELECT s.{identifier(kind.name)}, {text_of(engine, 's', number)} AS written, COUNT(*) AS n\n"
        f"  FROM {qualified(table)} AS s\n"
        f"  WHERE s.{identifier(kind.name)} IS NOT NULL AND s.{identifier(number.name)} IS NOT NULL\n"
        f"  GROUP BY 1, 2\n ) AS g\n),\n"
        f"kinds AS MATERIALIZED (\n SELECT DISTINCT {identifier(kind.name)} FROM pointing\n)"
    )
    counts = ["(SELECT COALESCE(SUM(n), 0) FROM pointing)"]
    for target in targets:
        if content_types is None or not target.content_types or len(target.primary_key) != 1:
            continue
        names = " OR ".join(
            f"(c.{identifier('app_label')} = {literal(app)} AND c.{identifier('model')} = {literal(model)})"
            for app, model in target.content_types
        )
        key = target.column(target.primary_key[0])
        same_kind = equal(engine, ("p", kind), ("c", content_types.column("id")))
        joined = f"AS p JOIN {qualified(content_types)} AS c ON {same_kind} WHERE ({names})"
        counts.append(
            f"CASE WHEN EXISTS (SELECT 1 FROM kinds {joined}) THEN\n"
            f"    (SELECT COALESCE(SUM(n), 0) FROM pointing {joined}\n"
            f"      AND {_is_there(engine, target, key, by_integer=target.id in with_integers)}) ELSE 0 END"
        )
    return f"{with_groups}\nSELECT\n  " + "\n  - ".join(counts)


def _is_there(engine: str, target: Table, key: Column, *, by_integer: bool) -> str:
    """SQL: whether a target has a row with the id `p.number`, which is `p.whole` as an integer."""
    if not by_integer:
        return f"p.number IN (SELECT {_target_id(engine, key)} FROM {qualified(target)} AS t)"
    return f"EXISTS (SELECT 1 FROM {qualified(target)} AS t WHERE t.{identifier(key.name)} = p.whole)"


def _target_id(engine: str, key: Column) -> str:
    text = text_of(engine, "t", key)
    return _without_dashes(text) if key.logical_type == "uuid" else _undashed(text)


def _undashed(text: str) -> str:
    """SQL of the text of an id; a UUID without dashes, as SQLite stores the ids of rows."""
    bare = _without_dashes(text)
    return f"CASE WHEN LENGTH({text}) = 36 AND LENGTH({bare}) = 32 THEN {bare} ELSE {text} END"


def _without_dashes(text: str) -> str:
    return f"LOWER(REPLACE({text}, '-', ''))"
