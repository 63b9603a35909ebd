"""References to files, checked set-wise: rows that name missing files, files that no row names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from edms_tasks.files.fetch import open_own_index
from edms_tasks.files.index import readable
from edms_tasks.findings import make_finding
from edms_tasks.inventory.id_patterns import name_expression
from edms_tasks.inventory.model import FileNameReference, FileRoot, Finding, Table
from edms_tasks.manifest import Encoding, FileIndex
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable

EXAMPLES = 5


def find_file_problems(
    tables: Sequence[Table],
    raws: Mapping[str, RawTable],
    indexes: Sequence[FileIndex],
    repository: Repository,
    *,
    declared: Sequence[FileNameReference] = (),
    scratch: Path | None = None,
) -> tuple[Finding, ...]:
    """Compare every file column's values with the files of its root, whose `indexes` this run wrote.

    Gives one `missing-file` finding for each column that names files the snapshot has not, and one `orphan-files`
    finding for each root that holds files no row names. Files whose names hold an id, as `declared`, are no orphans
    (`ids_in_names.py` says which of those have no row). A root that no file column uses has no orphans; nor has one
    of which a table's rows were left out, for they may name the files.
    """
    findings: list[Finding] = []
    for index in indexes:
        columns = [
            (table, column) for table in tables for column, root in table.file_columns if root == index.root.name
        ]
        # A column that a model names and the database lacks is another finding, not ours.
        present = [(t, column) for t, column in columns if t.id in raws and any(c.name == column for c in t.columns)]
        if not present:
            continue
        with open_own_index(index, repository, scratch) as opened, opened.workspace() as connection:
            _load_files(connection, opened.paths)
            for table, column in present:
                _load_references(connection, table, column, raws[table.id], index.root)
            for reference in declared:
                if reference.root == index.root.name:
                    _load_declared(connection, reference)
            findings += [_missing(connection, table, column, index.root) for table, column in present]
            if len(present) == len(columns):
                findings.append(_orphans(connection, index.root))
    return tuple(finding for finding in findings if finding.count)


def _load_files(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    connection.execute("CREATE TABLE named (label VARCHAR, path BLOB)")
    connection.execute("CREATE TABLE files (path BLOB)")
    if paths:
        connection.execute(
            """
            INSERT INTO files
            SELECT path
            FROM read_parquet($paths)
            WHERE kind = 'file'
            """,
            {"paths": [str(path) for path in paths]},
        )


def _load_references(
    connection: duckdb.DuckDBPyConnection, table: Table, column: str, raw: RawTable, root: FileRoot
) -> None:
    if not raw.files:
        return
    encoding = raw.encodings.get(column, "native")
    connection.execute(
        f"""
        INSERT INTO named
        SELECT $label, path
        FROM (
            SELECT {text_bytes(identifier(column), encoding)} AS value, {path_named_by(column, encoding, root)} AS path
            FROM read_parquet($paths)
        )
        WHERE value IS NOT NULL AND value <> ''::BLOB
        """,
        {"label": _label(table, column), "paths": [str(path) for path in raw.files]},
    )


def path_named_by(column: str, encoding: Encoding, root: FileRoot) -> str:
    """DuckDB SQL for the path below a root that a file column's value names, as bytes; of NULL it is NULL."""
    value = text_bytes(identifier(column), encoding)
    # Some systems keep the whole path where Django keeps the part below the root.
    prefix = f"hex(encode({literal(root.path.rstrip('/') + '/')}))"
    return (
        f"CASE WHEN starts_with(hex({value}), {prefix}) THEN unhex(substr(hex({value}), length({prefix}) + 1)) "
        f"ELSE {value} END"
    )


def _load_declared(connection: duckdb.DuckDBPyConnection, reference: FileNameReference) -> None:
    pattern = name_expression(reference.pattern, reference.id_kind)
    connection.execute(
        f"""
        INSERT INTO named
        SELECT $label, path
        FROM files
        WHERE regexp_matches(try(decode(path)), {literal(pattern.expression)}, 's')
        """,
        {"label": f"{reference.root}: {reference.pattern}"},
    )


def text_bytes(name: str, encoding: Encoding) -> str:
    """The value's text as UTF-8 bytes, which is what file names are compared as."""
    if encoding == "tagged":
        return (
            f"CASE WHEN left({name}, 1) IN ('t', 'b') THEN unhex(substr({name}, 2)) ELSE encode(substr({name}, 2)) END"
        )
    return f"encode(CAST({name} AS VARCHAR))"


def _missing(connection: duckdb.DuckDBPyConnection, table: Table, column: str, root: FileRoot) -> Finding:
    count, examples = _counted(
        connection,
        """
        SELECT named.path
        FROM named
        ANTI JOIN files ON files.path = named.path
        WHERE named.label = $label
        """,
        label=_label(table, column),
    )
    return make_finding(
        "missing-file",
        _label(table, column),
        f"Rows name files that are not among the files of {root.name} in the snapshot.",
        count=count,
        examples=examples,
    )


def _orphans(connection: duckdb.DuckDBPyConnection, root: FileRoot) -> Finding:
    count, examples = _counted(
        connection,
        """
        SELECT files.path
        FROM files
        ANTI JOIN named ON named.path = files.path
        """,
    )
    return make_finding(
        "orphan-files",
        f"files of {root.name}",
        count=count,
        examples=examples,
    )


def _counted(connection: duckdb.DuckDBPyConnection, query: str, **parameters: str) -> tuple[int, tuple[str, ...]]:
    count = connection.execute(f"SELECT count(*) FROM ({query})", parameters).fetchall()[0][0]
    if not count:
        return 0, ()
    rows = connection.execute(f"SELECT DISTINCT path FROM ({query}) ORDER BY path LIMIT {EXAMPLES}", parameters)
    return int(count), tuple(readable(path) for (path,) in rows.fetchall())


def _label(table: Table, column: str) -> str:
    return f"{table.label}.{column}"
