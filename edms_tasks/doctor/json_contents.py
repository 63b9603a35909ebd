"""The contents of JSON in a column, path by path: `$.documents[*].id` stands for this path in every document."""

from __future__ import annotations

import duckdb

from edms_tasks.doctor.samples import Sample
from edms_tasks.quoting import identifier, literal

ID = r"(?:[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}|[1-9][0-9]{0,17})"
"""A regular expression for what ids look like: UUIDs, and whole numbers above zero."""

_MOSTLY = 0.5


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

    Positions in arrays are written `[*]`, keys that look like ids `.*`.
    """
    name = identifier(column)
    positions = r"""regexp_replace(n.fullkey, '\[[0-9]+\]', '[*]', 'g')"""
    id_as_key = literal(rf'\."{ID}"')
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        SELECT
            regexp_replace({positions}, {id_as_key}, '.*', 'g') AS path,
            CASE WHEN NOT suffix(n.fullkey, ']') THEN n.key END AS key,
            CASE WHEN n.type IN ('VARCHAR', 'BIGINT', 'UBIGINT') THEN n.atom ->> '$' END AS value
        FROM (SELECT CASE WHEN json_valid({name}) THEN {name} END AS document FROM {sample.relation}) d,
            json_tree(d.document) n
        """
    )
