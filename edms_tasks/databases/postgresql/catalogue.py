"""Read tables, sequences and findings from PostgreSQL's system catalogues, inside the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import psycopg

from edms_tasks.databases.index_conditions import null_tests
from edms_tasks.databases.postgresql.extension_tables import (
    CONFIGURATION,
    EXTENSION,
    OF_AN_EXTENSION,
    READABLE,
    read_unreadable,
)
from edms_tasks.databases.postgresql.foreign_keys import read_foreign_keys
from edms_tasks.databases.postgresql.refusable_statements import rehearse_query
from edms_tasks.databases.postgresql.table_ids import TableIds
from edms_tasks.databases.postgresql.unique_rules import read_deferred_uniques, read_unique_rules
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Column, Finding, LogicalType, Table, UniqueKey
from edms_tasks.manifest import SequencePosition
from edms_tasks.quoting import identifier

_NOT_THE_SERVERS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"
# Objects of the EDMS: not the server's own, nor those that CREATE EXTENSION creates.
OURS = f"{_NOT_THE_SERVERS} AND NOT {OF_AN_EXTENSION}"
# Also the configuration tables of extensions, whose rows are the user's, and their sequences.
WITH_ROWS = f"{_NOT_THE_SERVERS} AND (NOT {OF_AN_EXTENSION} OR ({CONFIGURATION} AND {READABLE}))"

_VIRTUAL_SINCE = 180000
_LOGICAL: dict[str, LogicalType] = {
    "smallint": "integer", "integer": "integer", "bigint": "integer", "boolean": "boolean", "numeric": "decimal",
    "real": "float", "double precision": "float", "text": "text", "character varying": "text", "character": "text",
    "json": "json", "jsonb": "json", "uuid": "uuid", "date": "date", "time without time zone": "time",
    "timestamp with time zone": "datetime", "timestamp without time zone": "datetime", "interval": "duration",
    "bytea": "binary",
}  # fmt: skip

Connection = psycopg.Connection[tuple[object, ...]]


def read_tables(connection: Connection, table_id: TableIds) -> tuple[Table, ...]:
    """Every ordinary table (partitions included), with columns, keys and enforced references, sorted by id."""
    columns, computed = _columns(connection)
    primary, unique = _unique_keys(connection)
    rules, deferred = read_unique_rules(connection, WITH_ROWS), read_deferred_uniques(connection)
    foreign = read_foreign_keys(connection, WITH_ROWS, table_id)
    rows = connection.execute(
        f"""
        SELECT c.oid::bigint, n.nspname, c.relname, {EXTENSION}
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {WITH_ROWS}
        ORDER BY 2, 3
        """.encode()
    ).fetchall()
    tables = []
    for oid, schema, name, extension in _typed(rows):
        tables.append(
            Table(
                id=table_id(schema, name),
                schema_name=schema,
                name=name,
                extension=extension,
                columns=tuple(columns[oid]),
                primary_key=primary.get(oid, ()),
                unique_keys=tuple(unique[oid]),
                unique_rules=tuple(rules[oid]),
                deferred_uniques=tuple(deferred[oid]),
                computed=tuple(computed[oid]),
                references=tuple(foreign[oid]),
            )
        )
    return tuple(sorted(tables, key=lambda table: table.id))


def read_sizes(connection: Connection) -> dict[tuple[str | None, str], tuple[int, int]]:
    """(schema, table) -> (number of pages now, bytes of a page)."""
    rows = connection.execute(
        f"""
        SELECT n.nspname, c.relname, pg_catalog.pg_relation_size(c.oid), current_setting('block_size')::bigint
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {WITH_ROWS}
        """.encode()
    ).fetchall()
    # A table that was dropped meanwhile has no size; reading it will fail.
    return {(schema, name): ((size or 0) // page, page) for schema, name, size, page in _typed(rows)}


def read_sequences(connection: Connection) -> tuple[SequencePosition, ...]:
    """The positions of all sequences. They are not transactional: a position may be ahead of the snapshot's rows, but not behind."""
    rows = connection.execute(
        f"""
        SELECT n.nspname, c.relname
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND {WITH_ROWS} ORDER BY 1, 2
        """.encode()
    ).fetchall()
    positions = []
    for schema, name in _typed(rows):
        found = connection.execute(f"SELECT last_value, is_called FROM {identifier(schema, name)}".encode()).fetchone()
        assert found is not None  # a sequence always has exactly one row
        positions.append(
            SequencePosition(schema_name=schema, name=name, last_value=int(str(found[0])), is_called=bool(found[1]))
        )
    return tuple(positions)


def read_counters(connection: Connection, table_id: TableIds) -> dict[str, SequencePosition]:
    """Table id -> the position of the sequence of its primary key."""
    rows = connection.execute(
        f"""
        SELECT n.nspname, c.relname, sn.nspname, s.relname
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
        JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
         AND d.refobjsubid = ANY (i.indkey) AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
        JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
        WHERE c.relkind = 'r' AND {WITH_ROWS}
        """.encode()
    ).fetchall()
    positions = {(position.schema_name, position.name): position for position in read_sequences(connection)}
    return {
        table_id(schema, name): positions[sequence_schema, sequence]
        for schema, name, sequence_schema, sequence in _typed(rows)
    }


def read_materialized_views(connection: Connection) -> tuple[str, ...]:
    """Quoted names of populated materialised views; those that others are built on come first."""
    rows = connection.execute(
        f"""
        WITH RECURSIVE views AS (
            SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('m', 'v') AND {OURS}
        ), edges AS (
            SELECT DISTINCT r.ev_class AS dependent, d.refobjid AS base
            FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
              ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
            WHERE d.refobjid <> r.ev_class AND d.refobjid IN (SELECT oid FROM views)
        ), depths(oid, depth) AS (
            SELECT oid, 0 FROM views
            UNION ALL SELECT e.dependent, depths.depth + 1 FROM depths JOIN edges e ON e.base = depths.oid WHERE depths.depth < 100
        )
        SELECT v.nspname, v.relname, max(depths.depth)
        FROM views v JOIN depths USING (oid) JOIN pg_catalog.pg_class c USING (oid)
        WHERE c.relkind = 'm' AND c.relispopulated GROUP BY 1, 2 ORDER BY 3, 1, 2
        """.encode()
    ).fetchall()
    return tuple(identifier(schema, name) for schema, name, _ in _typed(rows))


def read_findings(connection: Connection) -> tuple[Finding, ...]:
    """Findings on what is not backed up: rows of foreign tables, invalid indexes, large objects, and rows of extensions that
    the role may not read."""
    findings = []
    for schema, name in _typed(
        connection.execute(
            f"""
            SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind = 'f' AND {OURS} ORDER BY 1, 2
            """.encode()
        ).fetchall()
    ):
        findings.append(make_finding("foreign-table", f"{schema}.{name}"))
    findings += [
        make_finding(
            "invalid-index",
            f"{schema}.{name}",
            fix=f"Run REINDEX INDEX {identifier(schema, name)}, or drop the index.",
        )
        for schema, name in _typed(
            connection.execute(
                f"""
                SELECT n.nspname, x.relname FROM pg_catalog.pg_index i
                JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
                WHERE NOT i.indisvalid AND c.relkind <> 'p' AND {OURS} ORDER BY 1, 2
                """.encode()
            ).fetchall()
        )
    ]
    row = connection.execute("SELECT count(*) FROM pg_catalog.pg_largeobject_metadata").fetchone()
    if row and int(str(row[0])):
        findings.append(make_finding("large-objects", "pg_largeobject", count=int(str(row[0]))))
    return (*findings, *read_unreadable(connection))


def read_uncomputable(connection: Connection, settings: Mapping[str, str]) -> frozenset[tuple[str, str, str]]:
    """(schema, table, column) of virtual columns that the server cannot compute for every row, such as one that divides by zero."""
    if connection.info.server_version < _VIRTUAL_SINCE:
        return frozenset()
    virtual = connection.execute(
        f"""
        SELECT n.nspname, c.relname, a.attname FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attgenerated = 'v' AND c.relkind = 'r' AND {OURS}
        """.encode()
    ).fetchall()
    return frozenset(
        (schema, table, name)
        for schema, table, name in _typed(virtual)
        if rehearse_query(
            connection,
            f"SELECT count({identifier(name)}) FROM ONLY {identifier(schema, table)}".encode(),
            settings,
        )
        is not None
    )


def _columns(connection: Connection) -> tuple[dict[int, list[Column]], dict[int, list[tuple[str, str]]]]:
    """The columns of each table, and the expressions of its generated ones."""
    rows = connection.execute(
        f"""
        SELECT a.attrelid::bigint, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
               pg_catalog.format_type(a.atttypid, NULL), a.attnotnull, a.attgenerated::text, a.attidentity::text,
               coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND {WITH_ROWS}
        ORDER BY a.attrelid, a.attnum
        """.encode()
    ).fetchall()
    columns: dict[int, list[Column]] = defaultdict(list)
    computed: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for oid, name, native, base, not_null, generated, identity, default in _typed(rows):
        columns[oid].append(
            Column(
                name=name,
                native_type=native,
                logical_type=_LOGICAL.get(base, "other"),
                nullable=not not_null,
                generated=generated != "",
                identity={"a": "always", "d": "default"}.get(
                    identity, "serial" if default.startswith("nextval(") else ""
                ),
            )
        )
        if generated:
            computed[oid].append((name, default))
    return columns, computed


def _unique_keys(connection: Connection) -> tuple[dict[int, tuple[str, ...]], dict[int, list[UniqueKey]]]:
    rows = connection.execute(
        f"""
        SELECT i.indrelid::bigint, x.relname, i.indisprimary, pg_catalog.pg_get_expr(i.indpred, i.indrelid),
               coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
               ARRAY(SELECT a.attname::text FROM unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(num, position)
                     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num ORDER BY position)
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
        JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE i.indisunique AND i.indisvalid AND i.indexprs IS NULL AND {WITH_ROWS}
        ORDER BY i.indrelid, x.relname
        """.encode()
    ).fetchall()
    primary: dict[int, tuple[str, ...]] = {}
    unique: dict[int, list[UniqueKey]] = defaultdict(list)
    for oid, name, is_primary, condition, nulls_not_distinct, columns in _typed(rows):
        if is_primary:
            primary[oid] = tuple(columns)
        else:
            null, filled = null_tests(condition or "") or ((), ())
            unique[oid].append(
                UniqueKey(
                    name=name,
                    columns=tuple(columns),
                    partial=condition is not None,
                    where_null=null,
                    where_filled=filled,
                    condition="" if null or filled else condition or "",
                    nulls_distinct=not nulls_not_distinct,
                )
            )
    return primary, unique


def _typed(rows: list[tuple[object, ...]]) -> list[tuple[Any, ...]]:
    # psycopg types a row's values as object; the catalogues' column types are fixed by PostgreSQL.
    return rows
