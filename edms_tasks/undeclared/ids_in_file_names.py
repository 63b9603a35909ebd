"""Ids in names of files that no row names: `thumbnails/0000012.webp`, `renditions/12/page.png`, by the pattern of the name.

A file that a row names by its path goes with that row whatever its name; one that no row names belongs to somebody by
its name or to nobody.
"""

from __future__ import annotations

import duckdb

from edms_tasks.quoting import literal
from edms_tasks.undeclared.collected_values import IN_NAMES, add_values
from edms_tasks.undeclared.ids_in_texts import UUID

_TOKEN = rf"{UUID}|0*[1-9][0-9]{{0,17}}"
# The file's own name is an id, with or without a word before it, up to the next dot, dash or underscore.
_LAST = rf"^((?:.*/)?[^/0-9]*)({_TOKEN})((?:[_.-][^/]*)?)$"
# A folder's name is an id.
_FOLDER = rf"^((?:[^/]*/)*?)({_TOKEN})(/.*)$"
# `ab/cd/ef01…`: folders that are the beginning of the checksum which the file's name is, or goes on with.
_SHARDS = r"(?:^|/)((?:[0-9a-fA-F]{1,4}/)+)([0-9a-fA-F][0-9a-fA-F-]{7,})(?:\.[^/]*)?$"
_CHECKSUMS = "(32, 40, 56, 64, 96, 128)"  # digits of MD5 and UUIDs, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512
_FIRST_YEAR, _LAST_YEAR = 1970, 2050


def collect_file_names(cursor: duckdb.DuckDBPyConnection, root: str, files: str) -> None:
    """Add the ids in file names to `VALUES`; `files` is a relation of (path) of the files in the folder `root` that no row names."""
    for expression, is_folder in ((_LAST, False), (_FOLDER, True)):
        parts = f"regexp_extract(path, {literal(expression)}, ['before', 'token', 'after'])"
        # Sharded folders differ from file to file, and say nothing of their own.
        before = f"CASE WHEN {_is_sharded('path')} THEN regexp_replace(before, '[^/]+/', '*/', 'g') ELSE {_general('before')} END"
        after = "regexp_replace(after, '[^/]+', '*', 'g')" if is_folder else _general("after")
        width = "max(CASE WHEN token LIKE '0%' AND strlen(token) < 32 THEN strlen(token) END) OVER (PARTITION BY before, after)"
        field = "CASE WHEN width IS NULL THEN '{pk}' ELSE '{pk:0' || printf('%d', width) || '}' END"
        chosen = f"NOT {_is_sharded('path')}" if is_folder else "true"
        is_year = "true" if is_folder else "width IS NULL"
        add_values(
            cursor,
            f"files of {root}",
            IN_NAMES,
            f"""
            SELECT {literal(f"{root}:")} || before || {field} || after AS name,
                CASE WHEN strlen(token) < 32 THEN ltrim(token, '0') ELSE token END AS value, 1 AS weight, 1 AS touched
            FROM (
                SELECT before, token, after, {width} AS width
                FROM (
                    SELECT {before} AS before, token, {after} AS after
                    FROM (SELECT path, part.before AS before, part.token AS token, part.after AS after
                          FROM (SELECT path, {parts} AS part FROM {files} WHERE {chosen}) WHERE part.token <> '')
                )
            )
            WHERE NOT ({is_year} AND coalesce(TRY_CAST(token AS BIGINT), 0) BETWEEN {_FIRST_YEAR} AND {_LAST_YEAR})
            """,
        )


def _is_sharded(path: str) -> str:
    """SQL: whether the folders above a file are the beginning of a checksum or UUID."""
    parts = f"regexp_extract({path}, {literal(_SHARDS)}, ['folders', 'name'])"
    folders, name = (f"replace(replace({parts}.{field}, '/', ''), '-', '')" for field in ("folders", "name"))
    whole = f"(strlen({folders}) + strlen({name}) IN {_CHECKSUMS} AND strlen({name}) NOT IN {_CHECKSUMS})"
    return f"({folders} <> '' AND ({whole} OR starts_with({name}, {folders})))"


def _general(part: str) -> str:
    """The part of a name with a `*` for each other number."""
    return f"regexp_replace({part}, '{UUID}|[0-9]+', '*', 'g')"
