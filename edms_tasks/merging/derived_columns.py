"""Columns that the EDMS computes from others (`[derived] columns`), such as the cached ancestors of a node.

They are taken off both sides before rows are matched and compared. Rows of the target keep what they have; new rows get nothing
in them, not ids of another system, until the EDMS's own commands fill them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from edms_tasks.digests.table_state import members
from edms_tasks.digests.value_equality import ColumnStorage
from edms_tasks.digests.value_text import text_value
from edms_tasks.errors import SettingsError
from edms_tasks.inventory.model import Column, NaturalKey, Table
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.merging.row_rewriting import ACTION, Rewritten
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import AS_PARQUET, column_types, relation
from edms_tasks.unknown_names import closest_name, unknown_name

_WHERE = "[derived] columns"
# What stands for nothing in a column that cannot be NULL.
_NOTHING = {"text": "", "integer": "0", "decimal": "0", "float": "0", "json": "null"}


def derived_columns(
    names: Collection[str],
    tables: Sequence[Table],
    keys: Mapping[str, NaturalKey | None],
    known: Sequence[Table],
    notes: list[str],
) -> dict[str, tuple[str, ...]]:
    """Table id -> the derived columns of the tables that are merged.

    Args:
        names: `app.Model.field` or `table.column`, as the settings have them.
        tables: the tables that are merged.
        keys: their natural keys.
        known: all tables of the snapshot; columns of those that are not merged are ignored.
        notes: gets a line for each table, and one for each column that a table lacks: a settings file or a profile may name those
            of another engine.

    Raises:
        SettingsError: there is no such table, or the column cannot be derived: it is a part of a key, or a reference.
    """
    merged = {table.id: table for table in tables}
    found: dict[str, list[str]] = {}
    for name in names:
        owner, _, last = name.rpartition(".")
        table = next((one for one in known if owner.lower() in (one.label.lower(), one.id.lower())), None)
        if table is None:
            tables_known = [spelling for one in known for spelling in (one.label, one.id)]
            raise unknown_name(_WHERE, "model or table", owner, tables_known)
        column = next((one for one in table.columns if last in (one.name, one.field)), None)
        if column is None:
            columns = [spelling for one in table.columns for spelling in (one.field or one.name, one.name)]
            notes.append(
                f"{table.label} has no column {last!r} here, so [derived] columns changes nothing for it. If no other engine has it: "
                f"{closest_name(last, columns)}"
            )
        elif table.id in merged:
            _require_derivable(table, column, keys[table.id])
            found.setdefault(table.id, []).append(column.name)
    notes += [
        f"{merged[table_id].label}: {', '.join(columns)} {'is' if len(columns) == 1 else 'are'} derived: not merged, and empty in new "
        "rows until the EDMS computes them."
        for table_id, columns in found.items()
    ]
    return {table_id: tuple(columns) for table_id, columns in found.items()}


def without_derived_columns(
    cursor: duckdb.DuckDBPyConnection, table: Table, raw: RawTable, columns: Sequence[str], path: Path
) -> RawTable:
    """Write a side's rows to `path`, with NULL in the derived columns."""
    if not raw.files:
        return raw
    rows = relation(table, raw)
    kinds = column_types(cursor, rows)
    empty = ", ".join(f"CAST(NULL AS {kinds[name]}) AS {identifier(name)}" for name in columns)
    cursor.execute(f"COPY (SELECT * REPLACE ({empty}) FROM {rows}) TO {literal(str(path))} {AS_PARQUET}")
    return replace(raw, files=(path,))


def with_derived_columns(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    rows: Rewritten,
    others: Path | None,
    before: RawTable,
    columns: Sequence[str],
    folder: Path,
) -> tuple[Rewritten, Path | None]:
    """The rows to write, with the values that the target's rows have in the derived columns, and nothing in new rows.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        rows: the rows to write.
        others: a file with further rows of the target to update.
        before: the target's rows with their derived columns.
        columns: the derived columns.
        folder: for the files; created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = source.table
    target, kinds = "(SELECT NULL AS nothing WHERE false)", dict[str, str]()
    if before.files:
        target = relation(table, before)
        kinds = column_types(cursor, target)
    values = []
    for name in columns:
        nothing = _nothing(table.column(name), source.storage(name))
        kept = _kept(name, kinds, before, source.storage(name)) if kinds else nothing
        values.append((name, nothing, kept))
    same_row = " AND ".join(
        f"{_text(name, kinds, before, 'o')} = {source.text(name, 'r')}" for name in table.primary_key
    )
    join = f"LEFT JOIN {target} o ON {same_row if kinds else 'false'}"
    chosen = ", ".join(
        f"CASE WHEN r.\"{ACTION}\" = 'insert' THEN {nothing} ELSE {kept} END AS {identifier(name)}"
        for name, nothing, kept in values
    )
    path = folder / "rows.parquet"
    cursor.execute(
        f"COPY (SELECT r.* REPLACE ({chosen}) FROM {rows.relation} r {join}) TO {literal(str(path))} {AS_PARQUET}"
    )
    if others is not None:
        kept_of_others = ", ".join(f"{kept} AS {identifier(name)}" for name, _, kept in values)
        further = folder / "others.parquet"
        cursor.execute(
            f"COPY (SELECT r.* REPLACE ({kept_of_others}) FROM read_parquet({literal(str(others))}) r {join}) "
            f"TO {literal(str(further))} {AS_PARQUET}"
        )
        others = further
    return replace(rows, path=path), others


def _require_derivable(table: Table, column: Column, key: NaturalKey | None) -> None:
    name = column.field or column.name
    why = ""
    if column.name in table.primary_key or (key is not None and any(path[0] == column.name for path in key.paths)):
        why = "It is a part of the key by which rows are matched."
    for one in table.references:
        if column.name in members(one):
            why = f"It is a reference ({one.name}), which a merge follows."
    if not column.nullable and column.logical_type not in _NOTHING:
        why = "It cannot be empty in a new row."
    if why:
        raise SettingsError(
            f"{table.label}.{name} cannot be a derived column.", where=_WHERE, why=why, fix="Remove the name."
        )


def _nothing(column: Column, held: ColumnStorage) -> str:
    if column.nullable:
        return "NULL"
    return _stored(literal(_NOTHING[column.logical_type]), held, is_text=column.logical_type in ("text", "json"))


def _stored(text: str, held: ColumnStorage, *, is_text: bool) -> str:
    if not held.tagged:
        return f"CAST({text} AS {held.kind})"
    return f"'t' || hex({text})" if is_text else f"'i' || {text}"


def _kept(name: str, kinds: Mapping[str, str], before: RawTable, held: ColumnStorage) -> str:
    if (before.encodings.get(name) == "tagged") == held.tagged:
        return f"CAST(o.{identifier(name)} AS {held.kind})"
    return _stored(_text(name, kinds, before, "o"), held, is_text=kinds[name] == "VARCHAR")


def _text(name: str, kinds: Mapping[str, str], raw: RawTable, alias: str) -> str:
    return text_value(name, kinds[name], raw.encodings.get(name, "native"), alias=alias) if kinds else "NULL"
