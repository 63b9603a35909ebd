"""The rows that differ, with their values before and after: one line for each row, in a Parquet file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.comparing.comparison_result import CHANGES, FieldChange, RowDifference
from edms_tasks.comparing.fields import (
    BY_CONTENT,
    Field,
    column_text,
    compared,
    difference_unseen,
    fields_of,
    shown,
)
from edms_tasks.comparing.hashed_rows import FOUND_AGAIN, HashedRows, hashed
from edms_tasks.comparing.row_pairs import CHANGE, PAIR, SIDES, Pairs
from edms_tasks.comparing.shortening import shortened
from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.errors import CheckFailed
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import Table
from edms_tasks.quoting import identifier, literal
from edms_tasks.redaction import NOT_SHOWN, Redaction
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, relation

_LONGEST_READ = 2000
_LONGEST_KEY = 300


@dataclass(frozen=True)
class Details:
    """Rows that differ: `change`, `key`, `id_before`, `id_after`, `columns`, and `before` and `after`, maps of texts by column."""

    path: Path

    @property
    def relation(self) -> str:
        """SQL: the relation to select from."""
        return f"read_parquet({literal(str(self.path))})"

    def columns(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """For each column, the number of changed rows in which it differs."""
        found = cursor.execute(
            f"SELECT name, count(*) FROM (SELECT unnest(columns) AS name FROM {self.relation} WHERE change = 'changed') "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
        return {str(name): int(count) for name, count in found}

    def rows(self, cursor: duckdb.DuckDBPyConnection, limit: int) -> tuple[RowDifference, ...]:
        """The first few rows of each kind, in the order of their keys."""
        read = [
            f"list_transform(map_entries({side}), lambda one: {{'name': one.key, 'value': left(one.value, {_LONGEST_READ})}})"
            for side in ("before", "after")
        ]
        found = cursor.execute(
            f"SELECT change, key, columns, {', '.join(read)} FROM {self.relation} "
            f"QUALIFY row_number() OVER (PARTITION BY change ORDER BY key, id_before, id_after) <= {int(limit)} "
            f"ORDER BY list_position([{', '.join(map(literal, CHANGES))}], change), key, id_before, id_after"
        ).fetchall()
        return tuple(_row(*one) for one in found)

    def write_lines(self, cursor: duckdb.DuckDBPyConnection, path: Path) -> None:
        """Write all rows as JSON lines."""
        key = "CASE WHEN json_valid(key) THEN CAST(key AS JSON) ELSE to_json(key) END AS key"
        cursor.execute(
            f"COPY (SELECT * REPLACE ({key}) FROM {self.relation} ORDER BY change, key, id_before, id_after) "
            f"TO {literal(str(path))} (FORMAT json)"
        )


def write_details(
    first: HashedRows,
    second: HashedRows,
    pairs: Pairs,
    redaction: Redaction,
    folder: Path,
    *,
    limit: int | None,
) -> Details:
    """Look up the rows that differ, with their values, and write them to a file in `folder` (created).

    Args:
        first: all rows of one side.
        second: all rows of the other.
        pairs: the rows that differ.
        redaction: which values may be shown.
        folder: folder for the file and for temporary ones.
        limit: highest number of added and of removed rows; None for all. Changed rows are never limited.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = first.table
    fields = fields_of(table)
    made = Details(folder / "details.parquet")
    with first.side.workspace.cursor() as cursor:
        chosen = _choose(cursor, pairs, folder / "chosen.parquet", limit)
        rows = [
            _rows(ours, theirs.side, name, chosen, fields, redaction, folder)
            for ours, theirs, name in ((first, second, SIDES[0]), (second, first, SIDES[1]))
        ]
        cursor.execute(
            f"COPY ({_details(table, fields, redaction, chosen, rows, named=_is_named(first))}) "
            f"TO {literal(str(made.path))} {AS_PARQUET}"
        )
        _require_all(cursor, table, chosen, rows)
    return made


def _choose(cursor: duckdb.DuckDBPyConnection, pairs: Pairs, path: Path, limit: int | None) -> str:
    number = f"row_number() OVER (PARTITION BY {identifier(CHANGE)} ORDER BY {identifier(KEY)})"
    few = "" if limit is None else f"QUALIFY {identifier(CHANGE)} = 'changed' OR {number} <= {limit}"
    cursor.execute(
        f"COPY (SELECT * FROM {pairs.relation} WHERE {identifier(CHANGE)} <> 'ids' {few}) "
        f"TO {literal(str(path))} {AS_PARQUET}"
    )
    return f"read_parquet({literal(str(path))})"


def _rows(
    rows: HashedRows,
    other: Side,
    name: str,
    chosen: str,
    fields: tuple[Field, ...],
    redaction: Redaction,
    folder: Path,
) -> str:
    """Write a side's chosen rows: `@key:pair`, `id`, and for each field the text to compare and the text to show."""
    side, table = rows.side, rows.table
    projected = [f"{_id_text(side, table, redaction)} AS id"]
    for number, field in enumerate(fields):
        projected += [
            f"{compared(field, side, other, table)} AS compared_{number}",
            f"{shown(field, side, table, redaction)} AS shown_{number}",
        ]
    same = " AND ".join(f"h.{identifier(column)} = c.{identifier(f'{name} {column}')}" for column in FOUND_AGAIN)
    hashes = ", ".join(map(identifier, FOUND_AGAIN))
    path = folder / f"{name}.parquet"
    with side.workspace.cursor() as cursor:  # each side's workspace has its own tables of references
        raw = side.raws[table.id]
        if table.primary_key and raw.files:
            raw = _few(cursor, table, raw, name, chosen, folder)
        cursor.execute(
            f"COPY (SELECT c.{identifier(PAIR)}, h.* EXCLUDE ({hashes}) "
            f"FROM (SELECT {hashes}, {', '.join(projected)} FROM ({hashed(side, other, table, raw)})) h "
            f"JOIN {chosen} c ON {same}) TO {literal(str(path))} {AS_PARQUET}"
        )
    return f"read_parquet({literal(str(path))})"


def _few(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, name: str, chosen: str, folder: Path
) -> RawTable:
    """The raw rows whose primary key is that of a chosen row, so that only these are hashed again."""
    path = folder / f"{name}-raw.parquet"
    same = " AND ".join(
        f"r.{identifier(column)} IS NOT DISTINCT FROM c.{identifier(f'{name} {column}')}"
        for column in table.primary_key
    )
    cursor.execute(
        f"COPY (SELECT r.* FROM {relation(table, raw)} r SEMI JOIN {chosen} c ON {same}) "
        f"TO {literal(str(path))} {AS_PARQUET}"
    )
    return replace(raw, files=(path,))


def _details(
    table: Table, fields: tuple[Field, ...], redaction: Redaction, chosen: str, rows: list[str], *, named: bool
) -> str:
    change = f"c.{identifier(CHANGE)}"
    entries = []
    for number, field in enumerate(fields):
        before, after = f"a.shown_{number}", f"b.shown_{number}"
        if not any(redaction.hides(table, column) for column in field.columns):
            unseen = literal(difference_unseen(field))
            after = f"CASE WHEN {change} = 'changed' AND {before} = {after} THEN {after} || {unseen} ELSE {after} END"
        entries.append(
            f"{{'name': {literal(field.name)}, 'before': {before}, 'after': {after}, "
            f"'differs': a.compared_{number} IS DISTINCT FROM b.compared_{number}}}"
        )
    differing = f"list_filter([{', '.join(entries)}], lambda one: one.differs)" if entries else "[]"
    nothing = "MAP {}"

    def texts(side: str, absent: str) -> str:
        if not entries:
            return f"CAST({nothing} AS MAP(VARCHAR, VARCHAR))"
        made = f"map_from_entries(list_transform(fields, lambda one: {{'k': one.name, 'v': one.{side}}}))"
        return f"CASE WHEN change <> {literal(absent)} THEN {made} ELSE CAST({nothing} AS MAP(VARCHAR, VARCHAR)) END"

    key, by_id = f"c.{identifier(KEY)}", "coalesce(a.id, b.id, '')"
    if not named or redaction.hides_key(table.id):
        key = by_id
    else:  # a key may contain the identity of a row without a natural key
        key = f"CASE WHEN regexp_matches({key}, {literal(BY_CONTENT)}) THEN {by_id} ELSE {key} END"
    columns = "list_transform(fields, lambda one: one.name)" if entries else "CAST([] AS VARCHAR[])"
    return f"""
        SELECT
            change, key, id_before, id_after,
            {columns} AS columns,
            {texts("before", "added")} AS before,
            {texts("after", "removed")} AS after
        FROM (
            SELECT {change} AS change, {key} AS key, a.id AS id_before, b.id AS id_after, {differing} AS fields
            FROM {chosen} c
                LEFT JOIN {rows[0]} a ON a.{identifier(PAIR)} = c.{identifier(PAIR)}
                LEFT JOIN {rows[1]} b ON b.{identifier(PAIR)} = c.{identifier(PAIR)}
        )
    """


def _require_all(cursor: duckdb.DuckDBPyConnection, table: Table, chosen: str, rows: list[str]) -> None:
    """Check that every chosen row was read again exactly once; raises CheckFailed."""
    for name, absent, found in zip(SIDES, ("added", "removed"), rows, strict=True):
        (wanted, held) = cursor.execute(
            f"SELECT (SELECT count(*) FROM {chosen} WHERE {identifier(CHANGE)} <> {literal(absent)}), (SELECT count(*) FROM {found})"
        ).fetchall()[0]
        if wanted != held:
            raise CheckFailed(
                f"{table.label}: {wanted} rows differ, but only {held} of them could be read again.",
                where=f"the {name} of the two",
                fix="Please report this. The comparison was stopped.",
            )


def _id_text(side: Side, table: Table, redaction: Redaction) -> str:
    parts = [
        f"{literal(f'{name} = ')} || "
        + (
            literal(NOT_SHOWN)
            if redaction.hides(table, name)
            else f"coalesce({column_text(name, side, table)}, 'NULL')"
        )
        for name in table.primary_key
    ]
    return f"concat_ws(', ', {', '.join(parts)})" if parts else "CAST(NULL AS VARCHAR)"


def _is_named(rows: HashedRows) -> bool:
    key = rows.side.keys.keys[rows.table.id].natural_key
    return key is not None and key.source != "content"


def _row(
    change: str,
    key: str,
    columns: list[str],
    before: list[dict[str, str | None]],
    after: list[dict[str, str | None]],
) -> RowDifference:
    was, now = ({one["name"]: one["value"] for one in side} for side in (before, after))
    fields = [(name, *shortened(was.get(name), now.get(name))) for name in columns]
    return RowDifference.model_validate(
        {
            "change": change,
            "key": key if len(key) <= _LONGEST_KEY else key[: _LONGEST_KEY - 1] + "…",
            "fields": [FieldChange(name=name, before=old, after=new) for name, old, new in fields],
        }
    )
