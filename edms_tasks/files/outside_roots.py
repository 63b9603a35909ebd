"""Find files outside the roots that rows name: text, JSON and ids in all columns, compared with the files around the EDMS.

A value names a file by its path, by the end of it (a path relative to any folder above the file), or by an id in the file's name.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.files.files_named_after_rows import add_files_named_after_rows
from edms_tasks.files.mention_matching import keep_likely, match_mentions
from edms_tasks.files.path_mentions import MENTIONED, label_of
from edms_tasks.files.surrounding_files import OF_THE_MACHINE, Folder, below, list_around
from edms_tasks.files.unclaimed_folders import UnclaimedFolder, unclaimed_folders
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileRoot, Finding, Table
from edms_tasks.inventory.probe_report import Surroundings
from edms_tasks.quoting import literal
from edms_tasks.scratch.raw_table import RawTable

EXAMPLES = 5

OUTSIDE = "outside"
"""The relation of mentions that are files outside the roots, with the files."""

OUTSIDE_FILES = "outside_files"
"""The relation of (base, named, path): files around the EDMS that are in no root, and below which folder they were found."""

_PATHS_TRIED = 200  # absolute ones of a column, of which the folder is not known
_OF_AN_ID = re.compile(r"[0-9]+|[0-9a-fA-F]{1,4}|[0-9a-fA-F-]{16,}")
_SHALLOWEST = 3  # parts of a path: `/`, `srv`, `archive`; what is above belongs to the machine


@dataclass(frozen=True)
class Outside:
    """A column that names files outside every root."""

    table: Table
    column: str
    count: int  # rows; of JSON, values
    examples: tuple[str, ...]  # files
    folders: tuple[Path, ...]  # that hold them, as they could be named in [files] roots

    def finding(self, names: Mapping[Path, str]) -> Finding:
        """The finding about this column; `names` are the proposed names of the folders as roots."""
        lines = ", ".join(f"{_toml(names[folder])} = {_toml(str(folder))}" for folder in self.folders)
        their = "folder" if len(self.folders) == 1 else "folders"
        return make_finding(
            "files-outside-the-roots",
            f"{self.table.label}.{self.column}",
            count=self.count,
            examples=self.examples,
            fix=f"If they belong to the EDMS, name their {their}: [files] roots = {{ {lines} }}; if not, name it in [exclude] folders."
            if lines
            else None,
        )


@dataclass(frozen=True)
class Search:
    """The input of a search: where to look, and the relation of mentions that are files of the roots."""

    connection: duckdb.DuckDBPyConnection
    tables: Sequence[Table]
    raws: Mapping[str, RawTable]
    columns: Mapping[str, tuple[Table, str]]  # those that could name files, by their labels
    roots: Sequence[FileRoot]
    inside: str  # the relation of mentions that are files of the roots
    surroundings: Surroundings
    ours: Sequence[Path]  # folders of the backup itself
    excluded: Sequence[Path]  # folders that the settings exclude
    scratch: Path


@dataclass(frozen=True)
class Found:
    """The result of a search: the columns that name files outside the roots, and the folders of these files."""

    columns: tuple[Outside, ...]
    names: Mapping[Path, str]  # of their folders, as roots
    complete: bool  # all files around the EDMS were looked at
    surroundings: Surroundings
    unclaimed: tuple[UnclaimedFolder, ...]
    excluded: tuple[Path, ...]

    def others(self) -> tuple[Finding, ...]:
        """Findings about folders: those with files that no row is known to name, and those that were not searched."""
        found = [one.finding() for one in self.unclaimed]
        found += [make_finding("folder-excluded", str(folder)) for folder in self.excluded]
        if not self.complete:
            found.append(make_finding("search-for-files-ended", "files outside the roots"))
        if unasked := self.surroundings.unasked:
            examples = unasked[:EXAMPLES]
            found.append(
                make_finding("folder-not-asked", "files outside the roots", count=len(unasked), examples=examples)
            )
        if not self.surroundings.project:  # unknown: they are asked for through a command
            found.append(make_finding("not-searched-outside", "files outside the roots"))
        return tuple(found)


def list_outside(search: Search) -> bool:
    """Fill `OUTSIDE_FILES` with files that rows could name; returns whether all were listed."""
    return _list_files(search, [*_named(search), *_of_absolute_paths(search), *_project(search)])


def find_outside(search: Search, complete: bool) -> Found:
    """Look for columns that name `OUTSIDE_FILES`; what they name is in `OUTSIDE` afterwards."""
    connection = search.connection
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP VIEW not_inside AS
        SELECT * FROM {MENTIONED} m
        WHERE NOT EXISTS (
            SELECT 1 FROM {search.inside} i
            WHERE i.label = m.label AND i.form = m.form AND i.whole IS NOT DISTINCT FROM m.whole AND i.value = m.value
        )
        """
    )
    match_mentions(connection, "not_inside", OUTSIDE_FILES, OUTSIDE)
    keep_likely(connection, OUTSIDE, MENTIONED)
    ids = add_files_named_after_rows(
        connection, search.columns, search.tables, search.raws, files=OUTSIDE_FILES, outside=OUTSIDE
    )
    labels = {label for (label,) in connection.execute(f"SELECT DISTINCT label FROM {OUTSIDE}").fetchall()}
    columns = {**search.columns, **ids}
    found = [_outside(search, *columns[label]) for label in columns if label in labels]
    unclaimed = unclaimed_folders(connection, search.surroundings, files=OUTSIDE_FILES, outside=OUTSIDE)
    excluded = tuple(folder for folder in search.excluded if folder.is_dir())
    return Found(*_with_folders(search, found), complete, search.surroundings, unclaimed, excluded)


def _named(search: Search) -> list[Folder]:
    return [(Path(path), True) for path, _ in search.surroundings.named]


def _project(search: Search) -> list[Folder]:
    return [(Path(path), False) for path in search.surroundings.project]


def _known(search: Search) -> list[Path]:
    """Folders of which no file is outside the roots."""
    return [*(Path(root.path) for root in search.roots), *search.excluded]


def _not_entered(search: Search) -> list[Path]:
    return [*map(Path, search.surroundings.code), *search.ours]


def _of_absolute_paths(search: Search) -> list[Folder]:
    """Folders of files that are on this machine and that rows name by whole paths, wherever they are."""
    machines = [*OF_THE_MACHINE, *(str(folder) for folder in (*_known(search), *_not_entered(search)))]
    passed = " OR ".join(f"starts_with(value, {literal(folder.rstrip('/') + '/')})" for folder in machines)
    rows = search.connection.execute(
        f"""
        SELECT value
        FROM {MENTIONED}
        WHERE value LIKE '/%/%' AND NOT ({passed})
        QUALIFY row_number() OVER (PARTITION BY label ORDER BY hash(value)) <= {_PATHS_TRIED}
        """
    ).fetchall()
    found = {Path(path).parent for (path,) in rows if os.path.isfile(path)}  # noqa: PTH113 - a name may be too long
    tops = {Path(*folder.parts[:_SHALLOWEST]) for folder in found if len(folder.parts) >= _SHALLOWEST}
    groups = [[folder for folder in found if folder.is_relative_to(top)] for top in sorted(tops)]
    return [(Path(os.path.commonpath(group)), True) for group in groups]


def _list_files(search: Search, folders: Sequence[Folder]) -> bool:
    """Fill `OUTSIDE_FILES` with the files below the folders that are in no root; returns whether all were listed."""
    into = search.scratch / "outside.parquet"
    # A folder that holds the project's own is not one of files alone.
    project = [Path(path).resolve() for path in search.surroundings.project]
    chosen = [(at, named and not any(one.is_relative_to(at.resolve()) for one in project)) for at, named in folders]
    chosen.sort(key=lambda one: not one[1])
    complete = list_around(chosen, _not_entered(search), _known(search), into)
    search.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {OUTSIDE_FILES} AS
        SELECT base, named, path
        FROM read_parquet({literal(str(into))})
        """
    )
    return complete


def _outside(search: Search, table: Table, column: str) -> Outside:
    count, examples = search.connection.execute(
        f"""
        SELECT sum(rows), min(path, {EXAMPLES})
        FROM (SELECT form, whole, value, rows, min(path) AS path FROM {OUTSIDE} WHERE label = $label GROUP BY ALL)
        """,
        {"label": label_of(table, column)},
    ).fetchall()[0]
    return Outside(table, column, int(count), tuple(examples), ())


def _with_folders(search: Search, found: Sequence[Outside]) -> tuple[tuple[Outside, ...], Mapping[Path, str]]:
    """Each with the folders to name: those that settings name, or below the project the nearest that holds all."""
    held: dict[str, set[Path]] = {}
    rows = search.connection.execute(
        f"""
        SELECT label, base, named, min(path), max(path)
        FROM {OUTSIDE}
        GROUP BY label, base, named, CASE WHEN NOT named THEN split_part({below("base", "path")}, '/', 1) END
        """
    ).fetchall()
    for label, base, named, first, last in rows:
        folder = Path(base) if named else _whole(Path(os.path.commonpath([Path(first).parent, Path(last).parent])))
        if len(folder.parts) >= _SHALLOWEST and _can_be_a_root(search, folder):
            held.setdefault(label, set()).add(folder)
    every = {folder for folders in held.values() for folder in folders}
    outermost = {one for one in every if not any(one != other and one.is_relative_to(other) for other in every)}
    names: dict[Path, str] = {}
    for folder in sorted(outermost):
        taken, name, number = {root.name for root in search.roots} | set(names.values()), folder.name, 2
        while name in taken:
            name, number = f"{folder.name}-{number}", number + 1
        names[folder] = name
    complete = []
    for one in found:
        folders = held.get(label_of(one.table, one.column), set())
        chosen = tuple(outer for outer in names if any(folder.is_relative_to(outer) for folder in folders))
        complete.append(replace(one, folders=chosen))
    return tuple(complete), names


def _whole(folder: Path) -> Path:
    """The folder above those of single ids, checksums or years: the next file may be in another one."""
    while _OF_AN_ID.fullmatch(folder.name):
        folder = folder.parent
    return folder


def _can_be_a_root(search: Search, folder: Path) -> bool:
    """Whether it holds no root, nothing of the project's own place and nothing of ours."""
    kept = [*(Path(root.path) for root in search.roots), *map(Path, search.surroundings.project), *search.ours]
    return not any(path.resolve().is_relative_to(folder.resolve()) for path in kept)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
