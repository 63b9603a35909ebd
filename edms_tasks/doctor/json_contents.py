"""The contents of JSON in a column, path by path: `$.documents[*].id` stands for this path in every document."""

from __future__ import annotations

import duckdb

from edms_tasks.doctor.samples import Sample
from edms_tasks.quoting import identifier, literal

ID = r"(?:[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}|[1-9][0-9]{0,17})"
"""A regular expression for what ids look like: UUIDs, and whole numbers above zero."""

_MOSTLY = 0.5
_LEVEL = "json_level"
_BYTES_AT_ONCE = 4 << 20
_DEEPEST = 100


def json_columns(cursor: duckdb.DuckDBPyConnection, sample: Sample) -> tuple[str, ...]:
    """The columns of a sample, of any type, that contain JSON objects or arrays in most rows with a value."""
    counts = []
    for column in sample.columns:
        name = identifier(column.name)
        held = f"left(ltrim({name}), 1) IN ('{{', '[') AND json_valid({name})"
        counts.append(f"count(*) FILTER ({held}) > {_MOSTLY} * count(nullif({name}, ''))")
    row = cursor.execute(f"SELECT {', '.join(counts)} FROM {sample.relation}").fetchone()
    assert row is not None  # an aggregate always returns one row
    return tuple(column.name for column, mostly in zip(sample.columns, row, strict=True) if mostly)


def tabulate_json(cursor: duckdb.DuckDBPyConnection, sample: Sample, column: str, into: str) -> None:
    """Make a table `into` of all members of a column's JSON: `path`, `key` (of an object's member), `value` (of a scalar).

    Positions in arrays are written `[*]`, keys that look like ids `.*`. Documents are taken apart level by level, down to
    `_DEEPEST`: a join with `json_tree` would hold a whole document once for each of its members.
    """
    name = identifier(column)
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {into} (path VARCHAR, key VARCHAR, value VARCHAR)")
    ((size,),) = cursor.execute(f"SELECT coalesce(sum(strlen({name})), 0) FROM {sample.relation}").fetchall()
    pieces = int(size) // _BYTES_AT_ONCE + 1
    for piece in range(pieces):
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_LEVEL} AS SELECT '$' AS path, CAST(NULL AS VARCHAR) AS key, CAST({name} AS JSON) AS value "
            f"FROM {sample.relation} WHERE rowid % {pieces} = {piece} AND json_valid({name})"
        )
        _take_apart(cursor, into)
        cursor.execute(f"DROP TABLE {_LEVEL}")


def _take_apart(cursor: duckdb.DuckDBPyConnection, into: str) -> None:
    step = f"""
        CASE
            WHEN key IS NULL THEN '[*]'
            WHEN regexp_full_match(key, {literal(ID)}) THEN '.*'
            WHEN regexp_full_match(key, '[A-Za-z_][A-Za-z0-9_]*') THEN '.' || key
            ELSE '."' || replace(replace(key, '\\', '\\\\'), '"', '\\"') || '"'
        END
    """
    for _ in range(_DEEPEST):
        cursor.execute(
            f"INSERT INTO {into} "
            f"SELECT path, key, CASE WHEN json_type(value) IN ('VARCHAR', 'BIGINT', 'UBIGINT') THEN value ->> '$' END FROM {_LEVEL}"
        )
        cursor.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE {_LEVEL} AS
            SELECT path || {step} AS path, key, value
            FROM (
                SELECT path, unnest(json_keys(value)) AS key, unnest(json_extract(value, '$.*')) AS value
                FROM {_LEVEL}
                WHERE json_type(value) = 'OBJECT'
                UNION ALL
                SELECT path, NULL, unnest(json_extract(value, '$[*]')) FROM {_LEVEL} WHERE json_type(value) = 'ARRAY'
            )
            """
        )
        if cursor.execute(f"SELECT count(*) FROM {_LEVEL}").fetchall() == [(0,)]:
            break
