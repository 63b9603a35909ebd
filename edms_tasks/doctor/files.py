"""Columns that name files: FileFields whose files are gone, and plain columns that hold paths nobody declared."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from edms_tasks.digests.value_text import text_value
from edms_tasks.doctor.assessment import Assessment, SettingsFix, assessed
from edms_tasks.doctor.file_names import FILE_NAMES
from edms_tasks.doctor.samples import Sample
from edms_tasks.files.index import readable
from edms_tasks.files.outside import Search, find_outside
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileRoot, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import relation

_NAMED = "named_files"
_EXAMPLES = 5
_MOSTLY = 0.5


def assess_files(
    cursor: duckdb.DuckDBPyConnection, roots: Sequence[FileRoot], samples: Sequence[Sample], keys: CheckedKeys
) -> list[Assessment]:
    """Hold columns against the files that are there, as `FILE_NAMES` has them."""
    by_name = {root.name: root for root in roots}
    cursor.execute(f"CREATE OR REPLACE TABLE {_NAMED} (root VARCHAR, path VARCHAR)")
    assessments = []
    for table in keys.tables.values():
        for column, root in table.file_columns:
            if root in by_name and keys.raws[table.id].rows:
                assessments += _file_column(cursor, table, column, by_name[root], keys)
    for sample in samples:
        assessments += _path_columns(cursor, sample, roots, keys)
    return assessments + _orphans(cursor, roots)


def _file_column(
    cursor: duckdb.DuckDBPyConnection, table: Table, column: str, root: FileRoot, keys: CheckedKeys
) -> list[Assessment]:
    """Rows of a FileField whose file is not there."""
    paths = f"SELECT {_below(_text(table, column, keys), root)} AS path FROM {relation(table, keys.raws[table.id])}"
    cursor.execute(f"INSERT INTO {_NAMED} SELECT {literal(root.name)}, path FROM ({paths}) WHERE path <> ''")
    missing = f"""
        SELECT path
        FROM ({paths})
        WHERE path <> '' AND path NOT IN (SELECT path FROM {FILE_NAMES} WHERE root = {literal(root.name)} AND path IS NOT NULL)
    """
    (count,) = cursor.execute(f"SELECT count(*) FROM ({missing})").fetchall()[0]
    if not count:
        return []
    examples = cursor.execute(f"SELECT DISTINCT path FROM ({missing}) ORDER BY path LIMIT {_EXAMPLES}").fetchall()
    return [
        assessed(
            make_finding(
                "missing-file",
                f"{table.label}.{column}",
                f"Rows name files that are not among those of {root.name} ({root.path}).",
                count=int(count),
                examples=tuple(readable(path.encode()) for (path,) in examples),
            )
        )
    ]


def _path_columns(
    cursor: duckdb.DuckDBPyConnection, sample: Sample, roots: Sequence[FileRoot], keys: CheckedKeys
) -> list[Assessment]:
    """Plain columns of which many values are the path of a file below a root."""
    declared = {column for column, _ in sample.table.file_columns}
    assessments = []
    for column in sample.columns:
        if column.name in declared or column.logical_type != "text":
            continue
        name = identifier(column.name)
        (filled,) = cursor.execute(f"SELECT count(nullif({name}, '')) FROM {sample.relation}").fetchall()[0]
        for root in roots:
            below = f"SELECT {_below(name, root)} AS path FROM {sample.relation} WHERE {name} <> ''"
            of_root = f"SELECT path FROM {FILE_NAMES} WHERE root = {literal(root.name)}"
            (found,) = cursor.execute(f"SELECT count(*) FROM ({below}) SEMI JOIN ({of_root}) USING (path)").fetchall()[
                0
            ]
            if filled and found >= _MOSTLY * filled:
                assessments.append(_path_column(cursor, sample.table, column.name, root, int(found), int(filled), keys))
    return assessments


def _path_column(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    column: str,
    root: FileRoot,
    found: int,
    filled: int,
    keys: CheckedKeys,
) -> Assessment:
    below = _below(_text(table, column, keys), root)
    cursor.execute(
        f"INSERT INTO {_NAMED} SELECT {literal(root.name)}, {below} FROM {relation(table, keys.raws[table.id])}"
    )
    return assessed(
        make_finding(
            "path-column",
            f"{table.label}.{column}",
            f"The column is not a FileField, but {found / filled:.0%} of the {filled:,} values examined name files of {root.name}. "
            "The files are backed up with their folder; nothing checks that they are there.",
            count=found,
        )
    )


def assess_outside(search: Search) -> list[Assessment]:
    """Files that rows name and no root holds, with the roots that would."""
    found = find_outside(search)
    assessments = [assessed(finding) for finding in found.others()]
    for one in found.columns:
        # An assessment has one fix: folders beyond the first are said with another column, or in the text.
        fixes = [
            SettingsFix(section="files.roots", key=found.names[folder], value=str(folder)) for folder in one.folders
        ]
        assessments.append(assessed(one.finding(found.names), fixes[0] if fixes else None))
    return assessments


def _orphans(cursor: duckdb.DuckDBPyConnection, roots: Sequence[FileRoot]) -> list[Assessment]:
    """Files that no column names, in roots that columns name files of."""
    rows = cursor.execute(
        f"""
        SELECT f.root, count(*), min(f.path, {_EXAMPLES})
        FROM {FILE_NAMES} f ANTI JOIN {_NAMED} n ON n.root = f.root AND n.path = f.path
        WHERE f.root IN (SELECT root FROM {_NAMED})
        GROUP BY f.root
        ORDER BY f.root
        """
    ).fetchall()
    return [
        assessed(
            make_finding(
                "orphan-files",
                f"files of {root}",
                count=int(count),
                examples=tuple(readable(path.encode()) for path in examples),
            )
        )
        for root, count, examples in rows
    ]


def _below(text: str, root: FileRoot) -> str:
    """The part below the root: some systems keep whole paths where Django keeps that part."""
    prefix = root.path.rstrip("/") + "/"
    return f"CASE WHEN starts_with({text}, {literal(prefix)}) THEN substr({text}, {len(prefix) + 1}) ELSE {text} END"


def _text(table: Table, column: str, keys: CheckedKeys) -> str:
    return text_value(column, keys.types[table.id][column], keys.raws[table.id].encodings.get(column, "native"))
