"""The rows of a table with the natural keys of themselves and of the rows that they refer to, as a SELECT."""

from __future__ import annotations

from collections.abc import Mapping

from edms_tasks.digests.canonical import json_array, text_of
from edms_tasks.digests.chunk_columns import KEY, content_column, reference_column
from edms_tasks.digests.table_state import is_in_other_columns
from edms_tasks.digests.value_equality import leads_to
from edms_tasks.inventory.model import ROW_ID, ForeignReference, GenericReference, NaturalKey, SoftReference, Table
from edms_tasks.keys.checked_keys import GENERIC_TARGETS, CheckedKeys, generic_content_type, generic_object_id
from edms_tasks.quoting import identifier, identifiers
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import relation


def joined(table: Table, raw: RawTable, keys: CheckedKeys) -> str:
    """A SELECT of the table's rows with `@key`, every `@ref:…` and every `@soft:…`."""
    types = keys.types[table.id]
    key = keys.keys[table.id]
    columns = [f"t.{identifier(column.name)}" for column in table.columns]
    if table.row_ids and ROW_ID in types:  # the other side of a merge or comparison may have no row ids
        columns.append(f"t.{identifier(ROW_ID)}")
    columns += [f"t.{identifier(name)}" for name in table.found_columns if name in types]
    columns.append(f"{key.expression if key.natural_key else 'CAST(NULL AS VARCHAR)'} AS {identifier(KEY)}")
    joins = list(key.joins) if key.natural_key else []
    soft = {f"s{number}": column for number, column in enumerate(keys.soft.get(table.id, ()))}
    pointed = {name: f"{alias}.r{place}" for alias, held in soft.items() for place, name in enumerate(held.references)}
    for number, reference in enumerate(table.references):
        alias = f"r{number}"
        value = pointed.get(reference.name, f"{alias}.nk")
        if isinstance(reference, ForeignReference) and reference.temporal:
            value = _covered(reference, types)
        elif not isinstance(reference, SoftReference):
            joins.append(_reference_join(table, reference, alias, types, keys))
        columns.append(f"{value} AS {identifier(reference_column(reference.name))}")
    for alias, held in soft.items():
        value = text_of(f"t.{identifier(held.column)}", types[held.column])
        reading = f"{alias}.reading = {held.number_of('t')}"
        joins.append(f"LEFT JOIN {held.relation} {alias} ON {alias}.value = {value} AND {reading}")
        columns.append(f"{alias}.content AS {identifier(content_column(held.column))}")
    return f"SELECT {', '.join(columns)} FROM {relation(table, raw)} t\n" + "\n".join(joins)


def chunk_columns(table: Table, keys: CheckedKeys) -> list[str]:
    """The columns of a table's chunks (docs/format.md, 4), in their order."""
    types = keys.types[table.id]
    columns = [column.name for column in table.columns]
    columns += [ROW_ID] if table.row_ids else []
    columns += [KEY] if _needs_key(table, keys.keys[table.id].natural_key, keys) else []
    columns += [reference_column(reference.name) for reference in table.references]
    columns += map(content_column, table.soft_columns)
    return columns + [name for name in table.found_columns if name in types]


def _needs_key(table: Table, key: NaturalKey | None, keys: CheckedKeys) -> bool:
    """Whether chunks need `@key`, because it does not follow from their other columns.

    It does not if the key passes through a reference to a table whose rows were left out: in `@ref:…` such a reference looks as if
    it dangled.
    """
    if key is None or not is_in_other_columns(table, key):
        return key is not None
    heads = {path[0] for path in key.paths}
    return any(
        isinstance(reference, ForeignReference)
        and heads.intersection(reference.columns)
        and reference.target not in keys.tables  # also partitioned tables, which are not in it either
        for reference in table.references
    )


def _reference_join(
    table: Table,
    reference: ForeignReference | GenericReference,
    alias: str,
    kinds: Mapping[str, str],
    keys: CheckedKeys,
) -> str:
    if isinstance(reference, GenericReference):
        encodings = keys.raws[table.id].encodings
        return (
            f"LEFT JOIN {GENERIC_TARGETS} {alias} ON {generic_content_type('t.', reference, encodings)} = {alias}.content_type "
            f"AND {alias}.object_id = {generic_object_id('t.', reference, kinds, encodings)}"
        )
    targets = keys.rows_of(reference)
    if not targets:  # the target's rows were left out, or there are none
        return f"LEFT JOIN (SELECT CAST(NULL AS VARCHAR) AS nk WHERE false) {alias} ON false"
    pointed = identifiers([*(f"c:{column}" for column in dict.fromkeys(reference.target_columns)), "nk"])
    relations = [
        f"SELECT {pointed} FROM {keys.keys[target].pointed_at(reference.target_columns)}" for target in targets
    ]
    condition = leads_to(
        reference,
        lambda column: keys.storage(table.id, column),
        lambda column: keys.storage(targets[0], column),
        kinds,
        pointing="t",
        pointed=alias,
        prefix="c:",
    )
    return f"LEFT JOIN ({' UNION ALL '.join(relations)}) {alias} ON {condition}"


def _covered(reference: ForeignReference, kinds: Mapping[str, str]) -> str:
    """SQL of a temporal reference's `@ref:…`: its own values if the database found that it holds, otherwise NULL."""
    (found,) = reference.found_columns
    if found not in kinds:
        return "CAST(NULL AS VARCHAR)"
    texts = [text_of(f"t.{identifier(column)}", kinds[column]) for column in reference.columns]
    return f"CASE WHEN t.{identifier(found)} THEN {json_array([f'to_json({text})' for text in texts])} END"
