"""Read the foreign keys of a PostgreSQL database, and how PostgreSQL compares their columns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import psycopg

from edms_tasks.inventory.model import Comparison, ForeignReference

# For these types PostgreSQL's equality is the same as ours (edms_tasks/digests/value_equality.py).
_ALIKE = {"bool", "uuid", "bytea", "date", "time", "timestamp", "timestamptz", "float4", "float8", "numeric", "oid"}
_WHOLE = {"int2", "int4", "int8", "numeric"}
_TEXTS = {"text", "varchar"}


def read_foreign_keys(
    connection: psycopg.Connection[tuple[object, ...]], ours: str, table_id: Callable[[str, str], str]
) -> dict[int, list[ForeignReference]]:
    """Table's oid -> its foreign keys, each once.

    To a key that refers to a partitioned table, PostgreSQL adds internal ones for each partition; they are left out. Keys that a
    partition inherits from its table are included.

    Args:
        connection: a connection in the caller's transaction.
        ours: an SQL condition on `pg_class c` and `pg_namespace n` that selects the tables.
        table_id: returns a table's id for its schema and name.
    """
    rows: list[tuple[Any, ...]] = connection.execute(
        f"""
        SELECT k.conrelid::bigint, k.conname, tn.nspname, t.relname,
               coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true), coalesce((to_jsonb(k) ->> 'conperiod')::boolean, false),
               CASE WHEN t.relkind = 'p' THEN ARRAY(
                   SELECT ARRAY[pn.nspname::text, p.relname::text] FROM pg_catalog.pg_partition_tree(t.oid) tree
                   JOIN pg_catalog.pg_class p ON p.oid = tree.relid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                   WHERE p.relkind = 'r' ORDER BY 1) END,
               (SELECT json_agg(json_build_array(a.attname, ta.attname, {_described("at")}, {_described("tt")}, on_.nspname, o.oprname,
                                                 {_described("lt")}, {_described("rt")}, ln.nspname, l.collname,
                                                 (to_jsonb(l) ->> 'collisdeterministic')::boolean) ORDER BY u.position)
                FROM unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY AS u(num, target, operator, position)
                JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
                JOIN pg_catalog.pg_attribute ta ON ta.attrelid = k.confrelid AND ta.attnum = u.target
                JOIN pg_catalog.pg_operator o ON o.oid = u.operator JOIN pg_catalog.pg_namespace on_ ON on_.oid = o.oprnamespace
                {_types("at", "a.atttypid")} {_types("tt", "ta.atttypid")} {_types("lt", "o.oprleft")} {_types("rt", "o.oprright")}
                LEFT JOIN pg_catalog.pg_collation l ON l.oid = ta.attcollation
                LEFT JOIN pg_catalog.pg_namespace ln ON ln.oid = l.collnamespace)
        FROM pg_catalog.pg_constraint k
        JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_class t ON t.oid = k.confrelid
        JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
        WHERE k.contype = 'f' AND t.relkind IN ('r', 'p') AND {ours}
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint parent
                          WHERE parent.oid = k.conparentid AND parent.conrelid = k.conrelid)
        ORDER BY k.conrelid, k.conname
        """.encode()
    ).fetchall()
    foreign: dict[int, list[ForeignReference]] = defaultdict(list)
    for oid, constraint, target_schema, target, enforced, temporal, partitions, pairs in rows:
        name = pairs[0][0] if len(pairs) == 1 else constraint
        if any(reference.name == name for reference in foreign[oid]):
            name = constraint  # a column with two foreign keys
        foreign[oid].append(
            ForeignReference(
                kind="foreign",
                name=name,
                columns=tuple(pair[0] for pair in pairs),
                target=table_id(target_schema, target),
                target_columns=tuple(pair[1] for pair in pairs),
                enforced=enforced,
                partitions=tuple(table_id(*names) for names in partitions or ()),
                temporal=temporal,
                comparisons=_comparisons([pair[2:] for pair in pairs], temporal=temporal),
            )
        )
    return foreign


def _types(alias: str, oid: str) -> str:
    return (
        f"JOIN pg_catalog.pg_type {alias} ON {alias}.oid = {oid} "
        f"JOIN pg_catalog.pg_namespace {alias}n ON {alias}n.oid = {alias}.typnamespace"
    )


def _described(alias: str) -> str:
    """SQL of a type as JSON for `_comparisons`: [schema, name, kind]."""
    return f"json_build_array({alias}n.nspname, {alias}.typname, {alias}.typtype)"


def _comparisons(pairs: list[Any], *, temporal: bool) -> tuple[Comparison, ...]:
    """How the database compares each column; () if its equality is the same as ours in every column."""
    if not temporal and all(_alike(*pair) for pair in pairs):
        return ()
    return tuple(_comparison(*pair) for pair in pairs)


def _alike(
    pointing: list[str],
    pointed: list[str],
    _schema: str,
    operator: str,
    _left: list[str],
    _right: list[str],
    *collation: Any,
) -> bool:
    names = {pointing[1], pointed[1]}
    if operator != "=":
        return False
    if pointing == pointed and pointed[2] == "e":
        return True
    if {pointing[0], pointed[0]} != {"pg_catalog"}:
        return False
    if names <= _TEXTS:
        return collation[2] is not False
    return names <= _WHOLE or (len(names) == 1 and names <= _ALIKE)


def _comparison(
    pointing: list[str],
    pointed: list[str],
    schema: str,
    operator: str,
    left: list[str],
    right: list[str],
    collation_schema: str | None,
    collation: str | None,
    _deterministic: bool | None,
) -> Comparison:
    return Comparison(
        operator=(schema, operator),
        pointed_type=_cast(pointed, left),
        pointing_type=_cast(pointing, right),
        collation=(collation_schema, collation) if collation_schema and collation else None,
    )


def _cast(column: list[str], operand: list[str]) -> tuple[str, str] | None:
    """The type that a column must be cast to for an operator; None if the operator takes it as it is (also `anyarray`)."""
    return None if column == operand or operand[2] == "p" else (operand[0], operand[1])
