"""Which tables need not be read because they are equal, and which must be read because others refer to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from edms_tasks.comparing.shared_schema import ComparedState, SharedSchema, path_targets
from edms_tasks.databases.engines import columns_hold_anything
from edms_tasks.inventory.model import CONTENT_TYPES, GenericReference, Reference, SoftReference, Table
from edms_tasks.manifest import TableEntry


def unchanged(schema: SharedSchema, first: ComparedState, second: ComparedState) -> frozenset[str]:
    """The ids of tables that are equal in two snapshots by their digests.

    A table's digests contain its references as natural keys. They do not contain the values of referenced rows without a
    natural key, so the tables of such rows must be equal, too.
    """
    same = {
        table_id
        for table_id in schema.tables
        if table_id in first.entries
        and table_id in second.entries
        and _has_equal_rows(first.engine, first.entries[table_id], second.entries[table_id])
    }
    nameless = schema.tables.keys() - schema.named
    while True:
        unsure = {
            table_id
            for table_id in same
            if any(target in nameless - same for target in _all_targets(schema.tables[table_id], schema.tables))
        }
        if not unsure:
            return frozenset(same)
        same -= unsure


def alike(schema: SharedSchema, held: Collection[str]) -> frozenset[str]:
    """The ids of tables that are equal on both sides, identities of rows included, if all tables in `held` have equal rows.

    These are the tables of which all rows that their comparison would need are in `held`.
    """
    named = schema.named
    return frozenset(table_id for table_id in held if _needed(schema, named, [table_id]).keys() <= set(held))


def needed(schema: SharedSchema, compared: Collection[str]) -> dict[str, Table]:
    """The tables whose rows must be read: those to compare, and all that the identities of the rows they refer to depend on.

    The latter keep only the references that these identities depend on.
    """
    found = _needed(schema, schema.named, compared)
    return {table_id: _as_needed(schema.tables[table_id], whole) for table_id, whole in sorted(found.items())}


def _needed(schema: SharedSchema, named: frozenset[str], compared: Collection[str]) -> dict[str, bool]:
    """Table id -> whether all its references count."""
    found: dict[str, bool] = {}
    pending = [(table_id, True) for table_id in compared]
    while pending:
        table_id, whole = pending.pop()
        whole = whole or table_id not in named
        if found.get(table_id) or (table_id in found and not whole):
            continue  # already found, with all references needed
        found[table_id] = whole
        table = schema.tables[table_id]
        targets = set(_key_targets(table, schema))
        if whole:
            targets.update(_all_targets(table, schema.tables))
        pending += [(target, False) for target in targets]
    return found


def _as_needed(table: Table, whole: bool) -> Table:
    if whole:
        return table
    kept = tuple(one for one in table.references if not isinstance(one, GenericReference | SoftReference))
    return table.model_copy(update={"references": kept})


def _has_equal_rows(engine: str, first: TableEntry, second: TableEntry) -> bool:
    if _definition(first) != _definition(second):
        return False
    if first.chunks == second.chunks and first.blocks == second.blocks:
        return True
    if first.blocks is not None or second.blocks is not None:
        # The hashes of blocks cover `@key` and `@ref:…` too. Blocks that were cut elsewhere must be read to be compared.
        return (first.blocks, first.types, first.ordered_by) == (second.blocks, second.types, second.ordered_by)
    # In SQLite a column may contain values of any type, and a number has the same digest as the text of its digits. So
    # there, equal digests of different chunks are not enough.
    counted = [(one.state.rows, one.state.exact_digest, one.state.content_digest) for one in (first, second)]
    return not columns_hold_anything(engine) and counted[0] == counted[1]


def _definition(entry: TableEntry) -> tuple[object, ...]:
    return entry.table.model_copy(update={"key_candidates": ()}), entry.natural_key, entry.encodings


def _all_targets(table: Table, tables: Mapping[str, Table]) -> Iterator[str]:
    for reference in table.references:
        yield from _targets(reference, tables)


def _targets(reference: Reference, tables: Mapping[str, Table]) -> Iterator[str]:
    if isinstance(reference, GenericReference):
        # Only its rows say which models it refers to.
        yield from (table_id for table_id, table in tables.items() if table.content_types)
        if CONTENT_TYPES in tables:
            yield CONTENT_TYPES
    else:
        yield from reference.targets
        if isinstance(reference, SoftReference) and CONTENT_TYPES in tables:
            yield CONTENT_TYPES  # an id can count for rows of one content type only


def _key_targets(table: Table, schema: SharedSchema) -> Iterator[str]:
    key = schema.keys[table.id]
    for path in key.paths if key is not None else ():
        yield from (target for target in path_targets(table, path, schema.tables) if target is not None)
