"""Match mentions in columns with files. A mention is a file's path, or the end of it.

The join compares as many of the last parts of a path as the mention has, for equality. So a hundred thousand files called
`…/original.pdf` cost no more than others.
"""

from __future__ import annotations

import duckdb

from edms_tasks.files.path_mentions import id_key, is_id

_DEEPEST = 64


def match_mentions(connection: duckdb.DuckDBPyConnection, mentions: str, files: str, into: str) -> None:
    """Create the table `into` with the pairs of mentions and files: (label, form, whole, value, rows, wanted) and the file's columns.

    Args:
        connection: where the relations are.
        mentions: a relation like `path_mentions.MENTIONED`.
        files: a relation of files with the column `path`, their absolute path as text.
        into: the table to create.
    """
    columns = "m.label, m.form, m.whole, m.value, m.rows, m.wanted"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {into} AS SELECT {columns}, f.* FROM {mentions} m, {files} f LIMIT 0"
    )
    depths = connection.execute(
        f"SELECT DISTINCT depth FROM {mentions} WHERE depth <= {_DEEPEST} ORDER BY depth"
    ).fetchall()
    for (depth,) in depths:
        tail = f"array_to_string(string_split(path, '/')[-{int(depth)}:], '/')"
        if depth == 1:
            tail = f"CASE WHEN {is_id('path')} THEN {id_key('path')} ELSE {tail} END"
        connection.execute(
            f"""
            INSERT INTO {into}
            SELECT {columns}, f.* EXCLUDE (tail)
            FROM (SELECT * FROM {mentions} WHERE depth = {int(depth)}) m
            JOIN (SELECT *, {tail} AS tail FROM {files}) f ON f.tail = m.wanted
            """
        )


def keep_likely(connection: duckdb.DuckDBPyConnection, matched: str, mentions: str) -> None:
    """Remove mentions without a folder if fewer than half of those in their column are files: a bare name may name anything."""
    connection.execute(
        f"""
        DELETE FROM {matched}
        WHERE NOT contains(value, '/') AND label IN (
            SELECT label
            FROM (SELECT label, sum(rows) AS filled FROM {mentions} WHERE NOT contains(value, '/') GROUP BY label)
            JOIN (
                SELECT label, sum(rows) AS met
                FROM (SELECT DISTINCT label, form, whole, value, rows FROM {matched} WHERE NOT contains(value, '/'))
                GROUP BY label
            ) USING (label)
            WHERE met < 0.5 * filled
        )
        """
    )
