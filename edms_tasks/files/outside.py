"""Files that rows name and no root holds: text, JSON and ids in all columns, held against the files around the EDMS.

A value names a file by its whole path, by the end of it (a path relative to any folder above the file), or as a file id that
is the file's name. Separators of Windows, URLs and lists in JSON are read too. Only files that are there count. A file of a
root that the value could mean as well is what it means.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from edms_tasks.files.fetch import open_own_index
from edms_tasks.files.problems import text_bytes
from edms_tasks.files.surroundings import OF_THE_MACHINE, Folder, list_around
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileRoot, Finding, ForeignReference, GenericReference, Table
from edms_tasks.inventory.probe_report import Surroundings
from edms_tasks.manifest import FileIndex
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace

EXAMPLES = 5

_KINDS = {"text", "json", "uuid", "other"}
_LONGEST_PATH = 1_024
_LONGEST_JSON = 1_000_000
_PATHS_TRIED = 200  # absolute ones of a column, of which the folder is not known
_SHALLOWEST = 3  # parts of a path: `/`, `srv`, `archive`; what is above belongs to the machine
_MOSTLY = 0.5
_UUID = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
# A word is no file's name; a name has an extension, or is a UUID, a hash or the like.
_FILE_NAME = rf"(?:.*\.[A-Za-z0-9]{{1,8}}|{_UUID}|[0-9a-fA-F]{{16,}})"


@dataclass(frozen=True)
class Outside:
    """A column that names files outside every root."""

    table: Table
    column: str
    count: int  # rows; of JSON, values
    examples: tuple[str, ...]  # files
    folders: tuple[Path, ...]  # that hold them, as they could be named in [files] roots

    def finding(self, names: Mapping[Path, str]) -> Finding:
        """What is said of it; `names` are those that the folders get as roots."""
        lines = ", ".join(f'{identifier(names[folder])} = "{folder}"' for folder in self.folders)
        return make_finding(
            "files-outside-the-roots",
            f"{self.table.label}.{self.column}",
            count=self.count,
            examples=self.examples,
            fix=f"If they belong to the EDMS, name their folder: [files.roots] {lines}" if lines else None,
        )


@dataclass(frozen=True)
class Search:
    """Where to look, and with what."""

    connection: duckdb.DuckDBPyConnection
    tables: Sequence[Table]
    raws: Mapping[str, RawTable]
    roots: Sequence[FileRoot]
    inside: Callable[
        [], str
    ]  # SELECT of (root, path): the files of the roots, as text; asked only where a column names files outside
    surroundings: Surroundings
    ours: Sequence[Path]  # folders of the backup itself
    scratch: Path


@dataclass(frozen=True)
class Found:
    """What was found outside the roots."""

    columns: tuple[Outside, ...]
    names: Mapping[Path, str]  # of their folders, as roots
    complete: bool  # all files around the EDMS were looked at
    surroundings: Surroundings

    def others(self) -> tuple[Finding, ...]:
        """What is to be said beside the findings of the columns."""
        found = []
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


def find_outside(search: Search) -> Found:
    """Look for columns that name files outside the roots."""
    columns = {_label(table, column): (table, column) for table, column in _columns(search)}
    _collect(search, columns.values())
    complete = _list_files(search, [*_named(search), *_of_absolute_paths(search), *_project(search)])
    connection = search.connection
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE named_outside AS
        SELECT *, {_key("value")} AS key FROM mentioned WHERE key IN (SELECT key FROM outside_files)
        """
    )
    if not connection.execute("SELECT count(*) FROM named_outside").fetchall()[0][0]:
        return Found((), {}, complete, search.surroundings)
    _load_inside(search)
    _match(connection)
    labels = {label for (label,) in connection.execute("SELECT DISTINCT label FROM matched").fetchall()}
    found = [one for label in columns if label in labels and (one := _outside(search, *columns[label])) is not None]
    return Found(*_with_folders(search, found), complete, search.surroundings)


def find_files_outside(
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    indexes: Sequence[FileIndex],
    repository: Repository,
    *,
    surroundings: Surroundings,
    ours: Sequence[Path],
    workspace: Workspace,
    scratch: Path,
) -> tuple[Finding, ...]:
    """A finding for each column that names files of no root; `indexes` are those that this run wrote of the roots.

    In the run's workspace, whose memory the settings say: a column may hold long texts.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outside-", dir=scratch)))
        connection = stack.enter_context(workspace.cursor())

        def inside() -> str:
            parts = ["SELECT CAST(NULL AS VARCHAR) AS root, CAST(NULL AS VARCHAR) AS path WHERE false"]
            for index in indexes:
                for path in stack.enter_context(open_own_index(index, repository, folder)).paths:
                    files = f"read_parquet({literal(str(path))}) WHERE kind = 'file'"
                    parts.append(f"SELECT {literal(index.root.name)}, try(decode(path)) FROM {files}")
            return " UNION ALL ".join(parts)

        roots = [index.root for index in indexes]
        search = Search(connection, tables, raws, roots, inside, surroundings, ours, folder)
        found = find_outside(search)
        return (*(one.finding(found.names) for one in found.columns), *found.others())


def _columns(search: Search) -> Iterator[tuple[Table, str]]:
    """Columns that could name files, and are no FileField and no reference to a row."""
    for table in search.tables:
        if table.id not in search.raws or not search.raws[table.id].files:
            continue
        taken = {column for column, _ in table.file_columns}
        for reference in table.references:
            if isinstance(reference, ForeignReference):
                taken.update(reference.columns)
            elif isinstance(reference, GenericReference):
                taken |= {reference.content_type_column, reference.object_id_column}
        for column in table.columns:
            if column.logical_type in _KINDS and column.name not in taken and not column.generated:
                yield table, column.name


def _named(search: Search) -> list[Folder]:
    return [(Path(path), True) for path, _ in search.surroundings.named]


def _project(search: Search) -> list[Folder]:
    return [(Path(path), False) for path in search.surroundings.project]


def _known(search: Search) -> list[Path]:
    return [*(Path(root.path) for root in search.roots), *map(Path, search.surroundings.code), *search.ours]


def _of_absolute_paths(search: Search) -> list[Folder]:
    """Folders of files that are on this machine and that rows name by whole paths, wherever they are."""
    machines = [*OF_THE_MACHINE, *(str(folder) for folder in _known(search))]
    passed = " OR ".join(f"starts_with(value, {literal(folder.rstrip('/') + '/')})" for folder in machines)
    rows = search.connection.execute(
        f"""
        SELECT value
        FROM mentioned
        WHERE value LIKE '/%/%' AND NOT ({passed})
        QUALIFY row_number() OVER (PARTITION BY label ORDER BY hash(value)) <= {_PATHS_TRIED}
        """
    ).fetchall()
    found = {Path(path).parent for (path,) in rows if os.path.isfile(path)}  # noqa: PTH113 - a name may be too long
    tops = {Path(*folder.parts[:_SHALLOWEST]) for folder in found if len(folder.parts) >= _SHALLOWEST}
    groups = [[folder for folder in found if folder.is_relative_to(top)] for top in sorted(tops)]
    return [(Path(os.path.commonpath(group)), True) for group in groups]


def _list_files(search: Search, folders: Sequence[Folder]) -> bool:
    """Fill `outside_files` with the files below the folders that are in no root; returns whether all were listed."""
    into = search.scratch / "outside.parquet"
    # A folder that holds the project's own is not one of files alone.
    project = [Path(path).resolve() for path in search.surroundings.project]
    chosen = [(at, named and not any(one.is_relative_to(at.resolve()) for one in project)) for at, named in folders]
    chosen.sort(key=lambda one: not one[1])
    complete = list_around(chosen, _known(search), into)
    search.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE outside_files AS
        SELECT base, named, path, {_key("path")} AS key
        FROM read_parquet({literal(str(into))})
        """
    )
    return complete


def _load_inside(search: Search) -> None:
    """Fill `inside_files` with those of the roots that a value of `named_outside` could mean."""
    places = [(root.name, path) for root in search.roots for path in {root.path, str(Path(root.path).resolve())}]
    listed = ", ".join(f"({literal(name)}, {literal(path.rstrip('/'))})" for name, path in places) or "(NULL, NULL)"
    search.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE inside_files AS
        SELECT folder || '/' || path AS path, {_key("path")} AS key
        FROM ({search.inside()}) JOIN (VALUES {listed}) AS places(root, folder) USING (root)
        WHERE key IN (SELECT key FROM named_outside)
        """
    )


def _match(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `matched` with the files outside that are named, by column and value."""

    def means(file: str) -> str:
        whole = f"{file}.path = n.value OR suffix({file}.path, '/' || ltrim(n.value, '/'))"
        return f"{file}.key = n.key AND (contains(n.key, '#') OR {whole})"

    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE matched AS
        SELECT n.label, n.value, n.rows, min(o.path) AS path, any_value(o.base) AS base, bool_or(o.named) AS named
        FROM (SELECT * FROM named_outside n WHERE NOT EXISTS (SELECT 1 FROM inside_files i WHERE {means("i")})) n
        JOIN outside_files o ON {means("o")}
        GROUP BY ALL
        """
    )


def _outside(search: Search, table: Table, column: str) -> Outside | None:
    label = {"label": _label(table, column)}
    connection = search.connection
    count, bare, examples = connection.execute(
        f"""
        SELECT coalesce(sum(rows), 0), coalesce(sum(rows) FILTER (NOT contains(value, '/')), 0), min(path, {EXAMPLES})
        FROM matched
        WHERE label = $label
        """,
        label,
    ).fetchall()[0]
    if bare:
        # A name alone can be the name of many things: enough of the column's values must be files.
        filled = "SELECT sum(rows) FROM mentioned WHERE label = $label AND NOT contains(value, '/')"
        if bare < _MOSTLY * connection.execute(filled, label).fetchall()[0][0]:
            connection.execute("DELETE FROM matched WHERE label = $label AND NOT contains(value, '/')", label)
            return _outside(search, table, column)
    return Outside(table, column, int(count), tuple(examples), ()) if count else None


def _with_folders(search: Search, found: Sequence[Outside]) -> tuple[tuple[Outside, ...], Mapping[Path, str]]:
    """Each with the folders to name: those that settings name, or below the project the nearest that holds all."""
    held: dict[str, set[Path]] = {}
    rows = search.connection.execute(
        """
        SELECT label, base, named, min(path), max(path)
        FROM matched
        GROUP BY label, base, named, CASE WHEN NOT named THEN split_part(substr(path, length(base) + 2), '/', 1) END
        """
    ).fetchall()
    for label, base, named, first, last in rows:
        folder = Path(base) if named else Path(os.path.commonpath([Path(first).parent, Path(last).parent]))
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
        folders = held.get(_label(one.table, one.column), set())
        chosen = tuple(outer for outer in names if any(folder.is_relative_to(outer) for folder in folders))
        complete.append(replace(one, folders=chosen))
    return tuple(complete), names


def _can_be_a_root(search: Search, folder: Path) -> bool:
    """Whether it holds no root, nothing of the project's own place and nothing of ours."""
    kept = [*(Path(root.path) for root in search.roots), *map(Path, search.surroundings.project), *search.ours]
    return not any(path.resolve().is_relative_to(folder.resolve()) for path in kept)


def _collect(search: Search, columns: Collection[tuple[Table, str]]) -> None:
    """Fill `mentioned` with (label, value, rows): what looks like names of files, in one form: `/` between parts, no URL around it.

    One query a table, and one for all: a query for each of some hundred columns would take longer than the backup of a small EDMS.
    """
    connection = search.connection
    connection.execute("CREATE OR REPLACE TEMP TABLE written (label VARCHAR, value VARCHAR, rows BIGINT)")
    by_table: dict[str, list[tuple[Table, str]]] = {}
    for table, column in columns:
        by_table.setdefault(table.id, []).append((table, column))
    for its in by_table.values():
        connection.execute(_written(search, its))
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE mentioned AS
        SELECT label, value, CAST(sum(rows) AS BIGINT) AS rows
        FROM (SELECT label, {_in_one_form(search.surroundings.urls)} AS value, rows FROM written)
        WHERE contains(ltrim(value, '/'), '/') OR regexp_full_match(ltrim(value, '/'), {literal(_FILE_NAME)})
        GROUP BY ALL
        """
    )


def _written(search: Search, columns: Sequence[tuple[Table, str]]) -> str:
    """INSERT what a table's columns hold that could be a name of a file, as it is written."""
    table = columns[0][0]
    raw = search.raws[table.id]
    paths = ", ".join(literal(str(path)) for path in raw.files)
    names = ", ".join(literal(_label(table, column)) for _, column in columns)
    texts = ", ".join(
        f"try(decode({text_bytes(identifier(column), raw.encodings.get(column, 'native'))}))" for _, column in columns
    )
    in_json = r"""unnest(regexp_extract_all(value, '"((?:[^"\\]|\\.)+)"', 1))"""
    unescaped = """CASE WHEN contains(value, '\\') THEN try(CAST('"' || value || '"' AS JSON) ->> '$') ELSE value END"""
    return f"""
        INSERT INTO written
        WITH texts AS (SELECT unnest([{names}]) AS label, unnest([{texts}]) AS value FROM read_parquet([{paths}]))
        SELECT label, value, count(*)
        FROM (
            SELECT label, value FROM texts
            WHERE strlen(value) <= {_LONGEST_PATH} AND left(value, 1) NOT IN ('[', '{{', '"')
            UNION ALL
            SELECT label, {unescaped} FROM (
                SELECT label, {in_json} AS value FROM texts
                WHERE strlen(value) <= {_LONGEST_JSON} AND left(value, 1) IN ('[', '{{', '"')
            )
        )
        WHERE strlen(value) <= {_LONGEST_PATH}
          AND (contains(value, '/') OR contains(value, '\\') OR regexp_full_match(value, {literal(_FILE_NAME)}))
        GROUP BY ALL
    """


def _in_one_form(urls: Sequence[str]) -> str:
    """The path in a `value`: of a URL, of Windows, below the prefix of URLs of files, after `./`."""
    url = r"""regexp_replace(regexp_replace(value, '^(?:https?://[^/]*|file://)', ''), '[?#].*$', '')"""
    plain = f"CASE WHEN regexp_matches(value, '^(?:https?|file)://') THEN url_decode({url}) ELSE replace(value, '\\', '/') END"
    bare = f"regexp_replace({plain}, '^(?:\\./)+', '')"
    prefixes = "|".join(_escaped(prefix.strip("/")) for prefix in urls)
    return f"""regexp_replace({bare}, {literal(f"^(?:https?:/)?/(?:{prefixes})/")}, '')""" if prefixes else bare


def _key(path: str) -> str:
    """What a path and a file must share: the last name; of a UUID its digits, whatever the dashes."""
    name = f"regexp_extract({path}, '[^/]*$')"
    return f"CASE WHEN regexp_full_match({name}, {literal(_UUID)}) THEN '#' || lower(replace({name}, '-', '')) ELSE {name} END"


def _escaped(text: str) -> str:
    return "".join(one if one.isalnum() or one in "/_-" else f"\\{one}" for one in text)


def _label(table: Table, column: str) -> str:
    return f"{table.label}.{column}"
