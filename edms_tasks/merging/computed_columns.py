"""The generated columns of rewritten rows: a merge changes ids and references, and the database then computes other values from them.

DuckDB computes an expression if it gets the snapshot's value for every row of the snapshot. For any other column the value is known only
for rows in which the merge changes nothing; the rest shows when the rows are written.
"""

from __future__ import annotations

import duckdb

from edms_tasks.digests.chunk_columns import KEY
from edms_tasks.digests.value_text import text_value
from edms_tasks.merging.identified_rows import EXACT, NUMBER, Identified, paired
from edms_tasks.merging.row_rewriting import Rewritten
from edms_tasks.quoting import identifier, identifiers


def with_computed_columns(
    cursor: duckdb.DuckDBPyConnection, source: Identified, rows: Rewritten, used: str
) -> tuple[str, tuple[str, ...]]:
    """The rewritten rows with the generated columns that `used` names, as the target will compute them.

    Returns the relation, and the columns that only the database can compute. With such columns the relation has only the rows that
    the merge does not change.
    """
    names = [column.name for column in source.table.columns if column.generated and column.name in used]
    if not names:
        return rows.relation, ()
    known = {name: one for name, one in source.table.computed if name in names and _computes(cursor, source, name, one)}
    unknown = tuple(name for name in names if name not in known)
    values, joins = [], []
    if known:
        terms = ", ".join(f"{_value(source, name, one)} AS {identifier(name)}" for name, one in known.items())
        computed = f"(SELECT {identifiers((KEY, NUMBER))}, {terms} FROM {untagged_rows(source, rows.relation)})"
        joins.append(f"JOIN {computed} c ON {paired('r', 'c')}")
        values += [f"c.{identifier(name)}" for name in known]
    if unknown:
        exact = identifier(EXACT)
        joins.append(f"JOIN {source.relation} s ON {paired('r', 's')} AND r.{exact} = s.{exact}")
        values += [f"s.{identifier(name)}" for name in unknown]
    return f"(SELECT r.*, {', '.join(values)} FROM {rows.relation} r {' '.join(joins)})", unknown


def untagged_rows(side: Identified, relation: str) -> str:
    """A relation with untagged values, for expressions that the database has."""
    plain = [
        f"{text_value(column.name, side.storage(column.name).kind, 'tagged', alias='x')} AS {identifier(column.name)}"
        for column in side.table.stored_columns
        if side.storage(column.name).tagged
    ]
    columns = f"x.* REPLACE ({', '.join(plain)})" if plain else "x.*"
    return f"(SELECT {columns} FROM {relation} x)"


def _computes(cursor: duckdb.DuckDBPyConnection, source: Identified, name: str, expression: str) -> bool:
    """Whether DuckDB makes of each row of the snapshot the value that the snapshot has."""
    if source.storage(name).tagged:
        return False
    other = f"{_value(source, name, expression)} IS DISTINCT FROM {identifier(name)}"
    try:
        found = cursor.execute(
            f"SELECT 1 FROM {untagged_rows(source, source.relation)} WHERE {other} LIMIT 1"
        ).fetchall()
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error:
        return False
    return not found


def _value(source: Identified, name: str, expression: str) -> str:
    return f"CAST(({expression}) AS {source.storage(name).kind})"
