"""The two sides of a merge, and the identity of each row: its natural key, or, where there is none, all that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.canonical import CONTENT, with_hashes
from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.extract import RawTable
from edms_tasks.inventory.model import NaturalKey, SoftReference, Table
from edms_tasks.keys import ProvenKeys, key_of_candidates
from edms_tasks.merging.comparison import comparable
from edms_tasks.serialize import joined
from edms_tasks.soft import content_column
from edms_tasks.table_state import is_filled, members, reference_column
from edms_tasks.workspace import Workspace

DANGLING = '{"dangling":true}'
_NOWHERE = r'\{"nowhere":"(?:[^"\\]|\\.)*"\}'
_ROUNDS = 64


@dataclass(frozen=True)
class Side:
    """The rows of one side, and what is known of them."""

    name: str
    tables: Mapping[str, Table]
    raws: Mapping[str, RawTable]
    workspace: Workspace
    keys: ProvenKeys

    def rows(self, table: Table) -> str:
        """A table's raw rows with `@key`, every `@ref:…` and `@soft:…`, as a relation for a cursor of this side.

        What points at nothing has the same mark whatever the id: ids of rows that are gone mean nothing in another database.
        """
        pointed = [
            f"CASE WHEN {is_filled(reference)} AND {name} IS NULL THEN {literal(DANGLING)} ELSE {name} END AS {name}"
            for reference in table.references
            if not isinstance(reference, SoftReference)
            for name in [identifier(reference_column(reference.name))]
        ]
        soft = [*(r.name for r in table.soft_references)]
        held = [*map(content_column, table.soft_columns), *map(reference_column, soft)]
        pointed += [
            f"regexp_replace({name}, {literal(_NOWHERE)}, {literal(DANGLING)}, 'g') AS {name}"
            for name in map(identifier, held)
        ]
        source = f"({joined(table, self.raws[table.id], self.keys)})"
        return f"(SELECT * REPLACE ({', '.join(pointed)}) FROM {source})" if pointed else source


def open_sides(
    tables: Sequence[Table],
    chosen: Mapping[str, NaturalKey | None],
    raws: Mapping[str, Mapping[str, RawTable]],
    workspace: Workspace,
) -> dict[str, Side]:
    """Give every row of every side an identity.

    Rows of tables without a natural key are told apart by what they hold. What they hold may be references to such rows
    again, so it is computed in rounds, each with the identities of the one before, until no round tells more rows apart.

    Args:
        tables: the tables of both sides; their rows have the same columns.
        chosen: the natural keys, by table id.
        raws: the rows, by the side's name and the table's id.
        workspace: where to compute; each side has a schema of its name there.
    """
    nameless = [table for table in tables if chosen[table.id] is None or _is_surrogate(chosen[table.id])]
    found = {table.id: "" for table in nameless if table.primary_key}
    identities = {name: dict(found) for name in raws}
    apart = -1
    for number in range(_ROUNDS):
        sides = {
            name: _side(name, tables, held, workspace.apart(name), chosen, identities[name])
            for name, held in raws.items()
        }
        if not found:
            return sides
        counted = 0
        for name, side in sides.items():
            with side.workspace.cursor() as cursor:
                for table in nameless:
                    if table.primary_key:
                        other = next((other for other in sides.values() if other is not side), side)
                        relation_name = identifier(f"identity {number % 2} of {table.id}")
                        counted += _identify(cursor, side, other, table, relation_name)
                        identities[name][table.id] = relation_name
        if counted == apart:
            break
        apart = counted
    return {
        name: _side(name, tables, held, workspace.apart(name), chosen, identities[name]) for name, held in raws.items()
    }


def _side(
    name: str,
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    workspace: Workspace,
    chosen: Mapping[str, NaturalKey | None],
    identities: Mapping[str, str],
) -> Side:
    keys = key_of_candidates(tables, raws, workspace, chosen, identities)
    return Side(name, {table.id: table for table in tables}, raws, workspace, keys)


def _is_surrogate(key: NaturalKey | None) -> bool:
    return key is not None and key.source == "surrogate"


def _identify(cursor: duckdb.DuckDBPyConnection, side: Side, other: Side, table: Table, name: str) -> int:
    """Make the relation of a table's identities; returns how many different ones there are."""
    texts = content_texts(side, other, table)
    hashed = with_hashes(side.rows(table), common=(), exact=(), content=texts)
    pk = ", ".join(identifier(column) for column in table.primary_key)
    cursor.execute(
        f"CREATE OR REPLACE TABLE {name} AS "
        f"""SELECT {pk}, '["content","' || printf('%032x', {CONTENT}) || '"]' AS nk FROM ({hashed})"""
    )
    row = cursor.execute(f"SELECT count(DISTINCT nk) FROM {name}").fetchone()
    assert row is not None  # an aggregate always returns one row
    return int(row[0])


def content_texts(side: Side, other: Side, table: Table) -> list[str]:
    """What a row says without its ids: texts that are equal on both sides where the values are, however they are carried."""
    apart = set(table.primary_key).union(*(members(reference) for reference in table.references))
    texts = [
        comparable(
            identifier(column.name), side.keys.held(table.id, column.name), other.keys.held(table.id, column.name)
        )
        for column in table.stored_columns
        if column.name not in apart
    ]
    texts += [
        identifier(reference_column(reference.name))
        for reference in table.references
        if not isinstance(reference, SoftReference)
    ]
    return texts + [identifier(content_column(column)) for column in table.soft_columns]
