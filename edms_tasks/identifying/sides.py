"""The two sides of a merge, and the identity of each row: its natural key, or, without one, all its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from edms_tasks.digests.chunk_columns import content_column, reference_column
from edms_tasks.digests.table_state import is_filled, members
from edms_tasks.identifying.comparable_columns import comparable, hash_of
from edms_tasks.identifying.meant_ids import tables_of_ids
from edms_tasks.inventory.model import ForeignReference, GenericReference, NaturalKey, SoftReference, Table
from edms_tasks.inventory.natural_keys import as_declared_now
from edms_tasks.keys.checked_keys import GENERIC_TARGETS, CheckedKeys
from edms_tasks.keys.checking import key_of_candidates
from edms_tasks.keys.joined_rows import joined
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace

DANGLES = '{"dangling":'
"""How the mark of a reference that leads to no row begins."""
DANGLING = f"{DANGLES}true}}"
NAMELESS = '["content","'
"""How the identity of a row without a natural key begins: a hash of what it holds follows."""
_ORPHAN = r'\{"nowhere":"(?:[^"\\]|\\.)*"\}'
_ROUNDS = 64


@dataclass(frozen=True)
class Side:
    """The rows of one side, with their tables and keys."""

    name: str
    tables: Mapping[str, Table]
    raws: Mapping[str, RawTable]
    workspace: Workspace
    keys: CheckedKeys
    rounds: int  # rounds needed to identify rows without natural keys

    def rows(self, table: Table) -> str:
        """SQL: a relation of a table's raw rows with `@key`, every `@ref:…` and `@soft:…`, for a cursor of this side.

        All dangling references have the same mark, because the id of a missing row means nothing in another database. A value that
        is no id, such as a code, means the same everywhere.
        """
        pointed = [
            f"CASE WHEN {is_filled(reference)} AND {name} IS NULL THEN {self._mark(reference)} ELSE {name} END AS {name}"
            for reference in table.references
            if not isinstance(reference, SoftReference)
            for name in [identifier(reference_column(reference.name))]
        ]
        soft = [*(r.name for r in table.soft_references)]
        held = [*map(content_column, table.soft_columns), *map(reference_column, soft)]
        pointed += [
            f"regexp_replace({name}, {literal(_ORPHAN)}, {literal(DANGLING)}, 'g') AS {name}"
            for name in map(identifier, held)
        ]
        source = f"({joined(table, self.raws[table.id], self.keys)})"
        return f"(SELECT * REPLACE ({', '.join(pointed)}) FROM {source})" if pointed else source

    def _mark(self, reference: ForeignReference | GenericReference) -> str:
        """SQL: what stands for the row that a dangling reference does not find."""
        if isinstance(reference, GenericReference) or reference.target not in self.tables:
            return literal(DANGLING)
        meant = zip(reference.columns, tables_of_ids(reference, self.tables), strict=True)
        values = ", ".join(f"CAST({identifier(column)} AS VARCHAR)" for column, ids_of in meant if ids_of is None)
        return f"{literal(DANGLES)} || to_json([{values}]) || '}}'" if values else literal(DANGLING)


def open_sides(
    tables: Sequence[Table],
    chosen: Mapping[str, NaturalKey | None],
    raws: Mapping[str, Mapping[str, RawTable]],
    workspace: Workspace,
    *,
    like: Side | None = None,
) -> dict[str, Side]:
    """Give every row of every side an identity.

    Rows of tables without a natural key are identified by their values. These may be references to such rows in turn, so
    identities are computed in rounds, each using those of the round before, until a round tells no more rows apart.

    Args:
        tables: the tables of both sides; their rows have the same columns.
        chosen: the natural keys, by table id.
        raws: the rows, by the side's name and the table's id.
        workspace: the workspace to compute in; each side gets a schema with its name there.
        like: a side that was opened before and is to be compared with these: they take as many rounds.
    """
    # Keys in snapshots of earlier releases contain ids of objects, which are other objects on the other side.
    known = {table.id: table for table in tables}
    chosen = {name: key and as_declared_now(key, known[name], known) for name, key in chosen.items() if name in known}
    nameless = [table for table in tables if chosen[table.id] is None or _is_surrogate(chosen[table.id])]
    identities = {name: {table.id: "" for table in nameless if table.primary_key} for name in raws}
    apart = -1
    sides: dict[str, Side] = {}
    for done in range(_ROUNDS):
        sides = {
            name: _side(name, tables, held, workspace.apart(name), chosen, identities[name], done, sides.get(name))
            for name, held in raws.items()
        }
        if done == _rounds_needed(sides, nameless, like):
            break
        for name, side in sides.items():
            other = like or next((other for other in sides.values() if other is not side), side)
            with side.workspace.cursor() as cursor:
                for table_id in identities[name]:
                    relation_name = identifier(f"identity {done % 2} of {table_id}")
                    _identify(cursor, side, other, side.tables[table_id], relation_name)
                    identities[name][table_id] = relation_name
        if like is None:
            counted = _identity_count(list(sides.values()), identities)
            if counted == apart:
                break
            apart = counted
    return sides


def _rounds_needed(sides: Mapping[str, Side], nameless: Sequence[Table], like: Side | None) -> int:
    """The number of rounds, if known in advance: that of `like`, or one if no row without a key refers to another; else None."""
    if like is not None:
        return like.rounds
    names = {table.id for table in nameless}
    if not names:
        return 0
    for table in nameless:
        for reference in table.references:
            if isinstance(reference, GenericReference):
                if any(_are_named_generically(side, nameless) for side in sides.values()):
                    return _ROUNDS
            elif names.intersection(reference.targets):
                return _ROUNDS
    return 1


def _are_named_generically(side: Side, tables: Sequence[Table]) -> bool:
    """Whether generic references refer to any of these tables."""
    labels = [literal(f"{app}.{model}") for table in tables for app, model in table.content_types]
    if not labels:
        return False
    with side.workspace.cursor() as cursor:
        row = cursor.execute(f"SELECT count(*) FROM {GENERIC_TARGETS} WHERE label IN ({', '.join(labels)})").fetchone()
    return row is not None and bool(row[0])


def _side(
    name: str,
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    workspace: Workspace,
    chosen: Mapping[str, NaturalKey | None],
    identities: Mapping[str, str],
    rounds: int,
    before: Side | None,
) -> Side:
    keys = key_of_candidates(tables, raws, workspace, chosen, identities, before.keys if before else None)
    return Side(name, {table.id: table for table in tables}, raws, workspace, keys, rounds)


def _is_surrogate(key: NaturalKey | None) -> bool:
    return key is not None and key.source == "surrogate"


def _identify(cursor: duckdb.DuckDBPyConnection, side: Side, other: Side, table: Table, name: str) -> None:
    """Make the relation of a table's identities."""
    pk = ", ".join(identifier(column) for column in table.primary_key)
    cursor.execute(
        f"CREATE OR REPLACE TABLE {name} AS "
        f"""SELECT {pk}, '{NAMELESS}' || {hash_of(content_texts(side, other, table))} || '"]' AS nk FROM {side.rows(table)}"""
    )


def _identity_count(sides: Sequence[Side], identities: Mapping[str, Mapping[str, str]]) -> int:
    """The number of different identities on all sides together."""
    counted = 0
    with sides[0].workspace.cursor() as cursor:
        for table_id in identities[sides[0].name]:
            each = (
                f"SELECT nk FROM {identifier(side.workspace.schema)}.{identities[side.name][table_id]}"
                for side in sides
            )
            row = cursor.execute(f"SELECT count(*) FROM ({' UNION '.join(each)})").fetchone()
            assert row is not None  # an aggregate always returns one row
            counted += int(row[0])
    return counted


def content_texts(side: Side, other: Side, table: Table) -> list[str]:
    """SQL: the values of a row without its ids, as texts that are equal on both sides if the values are."""
    apart = set(table.primary_key).union(*(members(reference) for reference in table.references))
    texts = [
        comparable(
            identifier(column.name), side.keys.storage(table.id, column.name), other.keys.storage(table.id, column.name)
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
