"""Columns that name files: FileFields whose files are gone, and plain columns that hold paths nobody declared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import duckdb

from edms_tasks.databases.quoting import identifier, literal
from edms_tasks.doctor.file_names import FILE_NAMES
from edms_tasks.doctor.judgement import Judgement, Remedy, remedy_line
from edms_tasks.doctor.samples import Sample
from edms_tasks.files.index import readable
from edms_tasks.inventory.model import FileRoot, Table
from edms_tasks.keys import ProvenKeys
from edms_tasks.value_text import text_value
from edms_tasks.workspace import relation

_NAMED = "named_files"
_EXAMPLES = 5
_MOSTLY = 0.5
_PATHS_TRIED = 200  # per column, against the disk
_SHALLOWEST_ROOT = 3  # parts of a path: `/`, `srv`, `archive`; what is above belongs to the machine


def judge_files(
    cursor: duckdb.DuckDBPyConnection, roots: Sequence[FileRoot], samples: Sequence[Sample], keys: ProvenKeys
) -> list[Judgement]:
    """Hold columns against the files that are there, as `FILE_NAMES` has them."""
    by_name = {root.name: root for root in roots}
    cursor.execute(f"CREATE OR REPLACE TABLE {_NAMED} (root VARCHAR, path VARCHAR)")
    judgements = []
    for table in keys.tables.values():
        for column, root in table.file_columns:
            if root in by_name and keys.raws[table.id].rows:
                judgements += _file_column(cursor, table, column, by_name[root], keys)
    for sample in samples:
        judgements += _path_columns(cursor, sample, roots, keys)
    return judgements + _orphans(cursor, roots)


def _file_column(
    cursor: duckdb.DuckDBPyConnection, table: Table, column: str, root: FileRoot, keys: ProvenKeys
) -> list[Judgement]:
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
        Judgement(
            code="missing-file",
            severity="warning",
            subject=f"{table.label}.{column}",
            message=f"Rows name files that are not among those of {root.name} ({root.path}).",
            count=int(count),
            examples=tuple(readable(path.encode()) for (path,) in examples),
            cure="Put the files back if there is another copy, or clear the values in the EDMS.",
        )
    ]


def _path_columns(
    cursor: duckdb.DuckDBPyConnection, sample: Sample, roots: Sequence[FileRoot], keys: ProvenKeys
) -> list[Judgement]:
    """Plain columns of which many values are the path of a file, below a root or on this machine's disk."""
    declared = {column for column, _ in sample.table.file_columns}
    judgements = []
    for column in sample.columns:
        if column.name in declared or column.logical_type != "text":
            continue
        name = identifier(column.name)
        (filled, absolute) = cursor.execute(
            f"SELECT count(nullif({name}, '')), count(*) FILTER ({name} LIKE '/%/%') FROM {sample.relation}"
        ).fetchall()[0]
        for root in roots:
            below = f"SELECT {_below(name, root)} AS path FROM {sample.relation} WHERE {name} <> ''"
            of_root = f"SELECT path FROM {FILE_NAMES} WHERE root = {literal(root.name)}"
            (found,) = cursor.execute(f"SELECT count(*) FROM ({below}) SEMI JOIN ({of_root}) USING (path)").fetchall()[
                0
            ]
            if filled and found >= _MOSTLY * filled:
                judgements.append(_path_column(cursor, sample.table, column.name, root, int(found), int(filled), keys))
        if filled and absolute >= _MOSTLY * filled:
            judgements += _outside(cursor, sample, column.name, roots)
    return judgements


def _path_column(
    cursor: duckdb.DuckDBPyConnection,
    table: Table,
    column: str,
    root: FileRoot,
    found: int,
    filled: int,
    keys: ProvenKeys,
) -> Judgement:
    below = _below(_text(table, column, keys), root)
    cursor.execute(
        f"INSERT INTO {_NAMED} SELECT {literal(root.name)}, {below} FROM {relation(table, keys.raws[table.id])}"
    )
    return Judgement(
        code="path-column",
        severity="info",
        subject=f"{table.label}.{column}",
        message=f"It is no FileField, but names files of {root.name}: of the {filled:,} values looked at {found / filled:.0%} do. "
        "The files are backed up with their folder; nothing checks that they are there.",
        count=found,
        cure="Make it a FileField in the EDMS, and the files that rows name are checked by every backup.",
    )


def _outside(
    cursor: duckdb.DuckDBPyConnection, sample: Sample, column: str, roots: Sequence[FileRoot]
) -> list[Judgement]:
    """Absolute paths of files that are on this machine and below no root: they would not be in a snapshot."""
    name = identifier(column)
    known = " AND ".join(
        [f"NOT starts_with({name}, {literal(root.path.rstrip('/') + '/')})" for root in roots] or ["true"]
    )
    rows = cursor.execute(
        f"SELECT DISTINCT {name} FROM {sample.relation} WHERE {name} LIKE '/%/%' AND {known} ORDER BY 1 LIMIT {_PATHS_TRIED}"
    ).fetchall()
    found = [Path(path) for (path,) in rows if "\0" not in path and os.path.isfile(path)]  # noqa: PTH113 - a name may be too long
    if not found:
        return []
    folder = Path(os.path.commonpath([path.parent for path in found]))
    remedy, cure = None, "Name their folder in [files] roots."
    if len(folder.parts) >= _SHALLOWEST_ROOT and not any(Path(root.path).is_relative_to(folder) for root in roots):
        taken = {root.name for root in roots}
        key = folder.name if folder.name not in taken else f"{folder.name}-2"
        remedy = Remedy(section="files.roots", key=key, value=str(folder))
        cure = f"If they belong to the EDMS, name their folder: {remedy_line(remedy)}"
    return [
        Judgement(
            code="files-outside-the-roots",
            severity="warning",
            subject=f"{sample.table.label}.{column}",
            message="It names files on this machine that lie in no folder that is backed up: they would not be in a snapshot.",
            count=len(found),
            examples=tuple(str(path) for path in found[:_EXAMPLES]),
            cure=cure,
            remedy=remedy,
        )
    ]


def _orphans(cursor: duckdb.DuckDBPyConnection, roots: Sequence[FileRoot]) -> list[Judgement]:
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
        Judgement(
            code="orphan-files",
            severity="info",
            subject=f"files of {root}",
            message="Files that no row's file column names; they are backed up all the same.",
            count=int(count),
            examples=tuple(readable(path.encode()) for path in examples),
        )
        for root, count, examples in rows
    ]


def _below(text: str, root: FileRoot) -> str:
    """The part below the root: some systems keep whole paths where Django keeps that part."""
    prefix = root.path.rstrip("/") + "/"
    return f"CASE WHEN starts_with({text}, {literal(prefix)}) THEN substr({text}, {len(prefix) + 1}) ELSE {text} END"


def _text(table: Table, column: str, keys: ProvenKeys) -> str:
    return text_value(column, keys.types[table.id][column], keys.raws[table.id].encodings.get(column, "native"))
