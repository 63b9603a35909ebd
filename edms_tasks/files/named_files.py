"""Compare what rows say about files with the files: one check for the doctor and for backups, with the same numbers.

It finds files that rows name but that are missing, files that no row names, columns that name files although they are no
FileFields, and files outside every root that rows name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.files.file_references import ROOT_FILES, find_missing_and_orphans
from edms_tasks.files.index_fetch import open_own_index
from edms_tasks.files.mention_matching import keep_likely, match_mentions
from edms_tasks.files.outside_roots import OUTSIDE, OUTSIDE_FILES, Found, Search, find_outside, list_outside
from edms_tasks.files.path_columns import FoundColumn, find_path_columns, find_places
from edms_tasks.files.path_mentions import (
    MENTIONED,
    add_bare_names,
    collect_mentions,
    id_key,
    is_id,
    label_of,
    last_name,
    mentioning_columns,
)
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileNameReference, FileRoot, Finding, PathColumn, Table
from edms_tasks.inventory.probe_report import Surroundings
from edms_tasks.manifest import FileIndex
from edms_tasks.quoting import literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace

_INSIDE_FILES, _INSIDE = "inside_files", "inside"


@dataclass(frozen=True)
class Examination:
    """What is compared: rows, and the folders of files that they may name."""

    tables: Sequence[Table]  # all of the inventory
    raws: Mapping[str, RawTable]  # the rows of those that were read, by Table.id
    roots: Sequence[FileRoot]
    declared: Sequence[FileNameReference]
    surroundings: Surroundings
    ours: Sequence[Path]  # folders of the backup itself, and the database's files
    known: Sequence[PathColumn] = ()  # columns of paths in the previous snapshot
    excluded: Sequence[Path] = ()  # folders around the EDMS that the settings exclude


@dataclass(frozen=True)
class NamedFiles:
    """The result of the comparison."""

    problems: tuple[Finding, ...]  # missing files, orphans, path columns
    path_columns: tuple[PathColumn, ...]
    outside: Found

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings: problems, and files outside the roots."""
        outside = (one.finding(self.outside.names) for one in self.outside.columns)
        return (*self.problems, *outside, *self.outside.others())


def examine_named_files(
    examination: Examination, files: str, connection: duckdb.DuckDBPyConnection, scratch: Path
) -> NamedFiles:
    """Compare what rows name with the files of the roots and the files around the EDMS.

    Args:
        examination: the rows and folders to compare.
        files: a SELECT of (root, path): the files of the roots, with the path below the root as bytes.
        connection: a cursor of the run's workspace, whose memory limit applies: columns may hold long texts.
        scratch: folder for temporary files.
    """
    its = examination
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {ROOT_FILES} AS {files}")
    columns = {label_of(table, column): (table, column) for table, column in mentioning_columns(its.tables, its.raws)}
    collect_mentions(connection, list(columns.values()), its.raws, its.surroundings.urls)
    search = Search(
        connection, its.tables, its.raws, columns, its.roots, _INSIDE, its.surroundings, its.ours, its.excluded, scratch
    )
    complete = list_outside(search)
    by_id = {(table.id, column): label for label, (table, column) in columns.items()}
    add_bare_names(
        connection,
        columns,
        its.raws,
        its.surroundings.urls,
        files=f"SELECT try(decode(path)) AS path FROM {ROOT_FILES} UNION ALL SELECT path FROM {OUTSIDE_FILES}",
        known={by_id[one.table, one.column] for one in its.known if (one.table, one.column) in by_id},
    )
    _load_inside(connection, its.roots)
    match_mentions(connection, MENTIONED, _INSIDE_FILES, _INSIDE)
    find_places(connection, _INSIDE)
    paths = find_path_columns(connection, columns, its.raws, its.roots, its.known)
    outside = find_outside(search, complete)
    keep_likely(connection, _INSIDE, MENTIONED)
    problems = find_missing_and_orphans(
        connection, its.tables, its.raws, its.roots, its.declared, paths, _INSIDE, OUTSIDE
    )
    said = tuple(map(_path_column, paths))
    return NamedFiles((*problems, *said), tuple(one.as_recorded for one in paths), outside)


def find_named_files(
    examination: Examination,
    indexes: Sequence[FileIndex],
    repository: Repository,
    *,
    workspace: Workspace,
    scratch: Path,
) -> NamedFiles:
    """The same comparison in a backup; `indexes` are those that this run wrote of the roots.

    Raises:
        DamagedRepository: an index is missing or altered.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="named-files-", dir=scratch)))
        connection = stack.enter_context(workspace.cursor())
        parts = ["SELECT CAST(NULL AS VARCHAR) AS root, CAST(NULL AS BLOB) AS path WHERE false"]
        for index in indexes:
            for path in stack.enter_context(open_own_index(index, repository, folder)).paths:
                of_this = f"read_parquet({literal(str(path))}) WHERE kind = 'file'"
                parts.append(f"SELECT {literal(index.root.name)}, path FROM {of_this}")
        return examine_named_files(examination, " UNION ALL ".join(parts), connection, folder)


def _load_inside(connection: duckdb.DuckDBPyConnection, roots: Sequence[FileRoot]) -> None:
    """Fill `inside_files` with (root, below, path) of files that a mention could mean: their last names are the same."""
    places = [(root.name, path) for root in roots for path in {root.path, str(Path(root.path).resolve())}]
    listed = ", ".join(f"({literal(name)}, {literal(path.rstrip('/'))})" for name, path in places) or "(NULL, NULL)"
    key = f"CASE WHEN {is_id('{0}')} THEN {id_key('{0}')} ELSE {last_name('{0}')} END"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_INSIDE_FILES} AS
        SELECT root, below, folder || '/' || below AS path
        FROM (SELECT root, try(decode(path)) AS below FROM {ROOT_FILES})
        JOIN (VALUES {listed}) AS places(root, folder) USING (root)
        WHERE {key.replace("{0}", "below")} IN (SELECT DISTINCT {key.replace("{0}", "value")} FROM {MENTIONED})
        """
    )


def _path_column(one: FoundColumn) -> Finding:
    folders = " and ".join(dict.fromkeys(f"{place.root}/{place.prefix}".rstrip("/") for place in one.places))
    return make_finding(
        "path-column",
        one.label,
        f"The column is not a FileField, but names files of {folders or 'the roots, wherever they are'}: "
        f"{one.matched / one.filled:.0%} of its {one.filled:,} values are there. They are backed up, and missing ones are counted.",
        count=one.matched,
    )
