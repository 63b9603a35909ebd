"""References to files, checked set-wise: rows that name missing files, and files that no row names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb

from edms_tasks.files.file_fields import named_paths
from edms_tasks.files.index import readable
from edms_tasks.files.path_columns import PLACED, FoundColumn
from edms_tasks.files.path_mentions import MENTIONED, is_file_name, label_of, last_name
from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileNameReference, FileRoot, Finding, Table
from edms_tasks.quoting import literal
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.soft.id_patterns import name_expression

EXAMPLES = 5

ROOT_FILES = "root_files"
"""The relation of (root, path): the files of all roots, their paths as bytes."""

_ACCEPTED = "accepted"  # (label, form, whole, value, root, below): what path columns name
_NAMED_ALSO = "named_also"  # (root, path): what any other mention names


def find_missing_and_orphans(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    roots: Sequence[FileRoot],
    declared: Sequence[FileNameReference],
    paths: Sequence[FoundColumn],
    matched: str,
    outside: str,
) -> tuple[Finding, ...]:
    """Compare what columns name with the files of the roots (`ROOT_FILES`).

    Returns a `missing-file` finding for each column that names missing files, and an `orphan-files` finding for each root with
    files that no row names. Files whose names contain a declared id are no orphans; `declared_ids_in_names.py` checks those.
    There are no orphans in a root that no column uses, nor in one that is named by a table whose rows were not read: those rows
    may name the files.

    Args:
        connection: where the relations are.
        tables: all of the inventory.
        raws: the rows of those that were read.
        roots: the folders.
        declared: names of files that hold ids.
        paths: the columns that name files, beside FileFields.
        matched: the relation of mentions that are files of the roots.
        outside: the relation of mentions that are files outside.
    """
    _accept(connection, paths, matched)
    findings: list[Finding] = []
    for root in roots:
        fields = [(table, column) for table in tables for column, name in table.file_columns if name == root.name]
        # A column that the database lacks has a finding of its own.
        present = [(t, column) for t, column in fields if t.id in raws and any(c.name == column for c in t.columns)]
        findings += [_missing(connection, table, column, raws[table.id], root) for table, column in present]
        used = present or any(place.root == root.name for one in paths for place in one.places)
        if used and len(present) == len(fields):
            findings.append(_orphans(connection, root, list(_named(present, raws, root, declared))))
    by_name = {root.name: root for root in roots}
    findings += [_missing_of_paths(connection, one, matched, outside, by_name) for one in paths]
    return tuple(finding for finding in findings if finding.count)


def files_of_no_row(
    tables: Sequence[Table], raws: Mapping[str, RawTable], root: FileRoot, declared: Sequence[FileNameReference]
) -> str:
    """SELECT of (path), as bytes: the files of a root that no row names and no declaration covers, after `find_missing_and_orphans`."""
    fields = [(table, column) for table in tables for column, name in table.file_columns if name == root.name]
    present = [(t, column) for t, column in fields if t.id in raws and any(c.name == column for c in t.columns)]
    files = f"SELECT path FROM {ROOT_FILES} WHERE root = {literal(root.name)}"
    return f"SELECT path FROM ({files}) ANTI JOIN ({' UNION ALL '.join(_named(present, raws, root, declared))}) USING (path)"


def _accept(connection: duckdb.DuckDBPyConnection, paths: Sequence[FoundColumn], matched: str) -> None:
    """Fill what path columns and other mentions name."""
    columns = "label, form, whole, value, root, below"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_ACCEPTED} AS SELECT {columns} FROM {PLACED} LIMIT 0")
    for one in paths:
        places = ", ".join(f"({literal(p.root)}, {literal(p.strip)}, {literal(p.prefix)})" for p in one.places)
        chosen = f"AND (root, strip, prefix) IN ({places})" if places else ""
        connection.execute(
            f"INSERT INTO {_ACCEPTED} SELECT {columns} FROM {PLACED} WHERE label = $label {chosen}",
            {"label": one.label},
        )
    placed = ", ".join(literal(one.label) for one in paths if one.places) or "NULL"
    # A bare name of several files names none of them. In columns that are no path columns, only names with a folder count.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {_NAMED_ALSO} AS
        SELECT DISTINCT root, encode(below) AS path
        FROM (
            SELECT root, below FROM {_ACCEPTED}
            QUALIFY count(DISTINCT root || '/' || below) OVER (PARTITION BY label, value) = 1
                OR coalesce(label IN ({placed}), false)
            UNION ALL
            SELECT root, below
            FROM (SELECT DISTINCT label, form, value, root, below FROM {matched})
            WHERE label NOT IN (SELECT label FROM {_ACCEPTED})
                AND (contains(value, '/') OR form = 'json' OR NOT suffix(below, value))
            QUALIFY count(*) OVER (PARTITION BY label, form, value) = 1
        )
        """
    )


def _named(
    present: Sequence[tuple[Table, str]],
    raws: Mapping[str, RawTable],
    root: FileRoot,
    declared: Sequence[FileNameReference],
) -> Iterator[str]:
    """SELECTs of the paths of the root's files that something names."""
    yield f"SELECT path FROM {_NAMED_ALSO} WHERE root = {literal(root.name)}"
    for table, column in present:
        if raws[table.id].files:
            yield named_paths(column, raws[table.id], root)
    for reference in declared:
        if reference.root == root.name:
            expression = literal(name_expression(reference.pattern, reference.id_kind).expression)
            files = f"SELECT path FROM {ROOT_FILES} WHERE root = {literal(root.name)}"
            yield f"{files} AND regexp_matches(try(decode(path)), {expression}, 's')"


def _missing(
    connection: duckdb.DuckDBPyConnection, table: Table, column: str, raw: RawTable, root: FileRoot
) -> Finding:
    count, examples = 0, tuple[str, ...]()
    if raw.files:
        there = f"SELECT path FROM {ROOT_FILES} WHERE root = {literal(root.name)}"
        count, examples = _counted(
            connection, f"SELECT path FROM ({named_paths(column, raw, root)}) ANTI JOIN ({there}) USING (path)"
        )
    return _missing_finding(label_of(table, column), [root], count, examples)


def _missing_of_paths(
    connection: duckdb.DuckDBPyConnection, one: FoundColumn, matched: str, outside: str, roots: Mapping[str, FileRoot]
) -> Finding:
    """What a path column names that is nowhere: neither among the files of the roots, nor outside."""
    same = "o.label = m.label AND o.form = m.form AND o.whole IS NOT DISTINCT FROM m.whole AND o.value = m.value"
    likely = is_file_name(last_name("m.value"))
    plain = f"SELECT 1 FROM {_ACCEPTED} WHERE label = $label AND NOT {is_file_name(last_name('value'))}"
    query = f"""
        FROM {MENTIONED} m
        WHERE m.label = $label AND m.form IN ({", ".join(map(literal, one.forms))})
            AND NOT EXISTS (SELECT 1 FROM {_ACCEPTED} o WHERE {same})
            AND NOT EXISTS (SELECT 1 FROM {outside} o WHERE {same})
            AND NOT EXISTS (SELECT 1 FROM {matched} o WHERE o.label = m.label AND o.form = 'whole' AND o.whole = m.whole)
            AND ({likely} OR EXISTS ({plain}))
    """
    count, examples = connection.execute(
        f"SELECT coalesce(sum(rows), 0), min(value, {EXAMPLES}) FROM (SELECT value, sum(rows) AS rows {query} GROUP BY value)",
        {"label": one.label},
    ).fetchall()[0]
    named = sorted({place.root for place in one.places}) or sorted(roots)
    shown = tuple(readable(value.encode()) for value in examples or ())
    return _missing_finding(one.label, [roots[name] for name in named], int(count), shown)


def _missing_finding(label: str, roots: Sequence[FileRoot], count: int, examples: tuple[str, ...]) -> Finding:
    folders = ", ".join(f"{root.name} ({root.path})" for root in roots)
    return make_finding(
        "missing-file",
        label,
        f"Rows name files that are not among those of {folders}.",
        count=count,
        examples=examples,
    )


def _orphans(connection: duckdb.DuckDBPyConnection, root: FileRoot, named: Sequence[str]) -> Finding:
    files = f"SELECT path FROM {ROOT_FILES} WHERE root = {literal(root.name)}"
    count, examples = _counted(
        connection, f"SELECT path FROM ({files}) ANTI JOIN ({' UNION ALL '.join(named)}) USING (path)"
    )
    return make_finding(
        "orphan-files",
        f"files of {root.name}",
        count=count,
        examples=examples,
    )


def _counted(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, tuple[str, ...]]:
    count = connection.execute(f"SELECT count(*) FROM ({query})").fetchall()[0][0]
    if not count:
        return 0, ()
    rows = connection.execute(f"SELECT DISTINCT path FROM ({query}) ORDER BY path LIMIT {EXAMPLES}").fetchall()
    return int(count), tuple(readable(path) for (path,) in rows)
