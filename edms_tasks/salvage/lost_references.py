"""List the salvaged rows that refer to lost ones, with the natural key of the lost row.

A reference is listed if the row or file that it names existed when the snapshot was made, and is lost. So lost rows that
others refer to are known by id and natural key. References that already dangled in the EDMS are not losses, and not listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.chunk_columns import reference_column
from edms_tasks.digests.table_state import dangles, members
from edms_tasks.files.file_fields import path_named_by
from edms_tasks.inventory.model import FileRoot, GenericReference, Reference, SoftReference, Table
from edms_tasks.keys.checked_keys import CheckedKeys
from edms_tasks.keys.joined_rows import joined
from edms_tasks.quoting import identifier, literal
from edms_tasks.redaction import NOTHING_HIDDEN, Redaction
from edms_tasks.salvage.losses import Dangling
from edms_tasks.salvage.salvaged_rows import THEN_KEY, key_at_backup_column, with_keys_at_backup
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, column_types, relation

_EXAMPLES = 5
_LIST = "salvage_dangling"
_HIDDEN = "'not shown'"
_READABLE_PATH = "CAST(to_json([coalesce(try(decode(path)), CAST(path AS VARCHAR))]) AS VARCHAR)"


class DanglingList:
    """All rows that refer to lost rows or files: collected in a workspace, then written as lists.

    Args:
        workspace: DuckDB workspace to collect them in.
        redaction: which values may be written. Natural keys may contain columns of other tables, so none is written if any
            column is sensitive.
    """

    def __init__(self, workspace: Workspace, redaction: Redaction = NOTHING_HIDDEN) -> None:
        self._workspace = workspace
        self._redaction = redaction
        with workspace.cursor() as cursor:
            cursor.execute(
                f"CREATE TABLE {_LIST} (model VARCHAR, reference VARCHAR, kind VARCHAR, target VARCHAR, "
                "primary_key VARCHAR, natural_key VARCHAR, value VARCHAR, pointed_at VARCHAR)"
            )

    def add_references(self, table: Table, raw: RawTable, keys: CheckedKeys) -> None:
        """Add the rows of a table whose foreign, generic or soft references name lost rows."""
        if not raw.files or not table.references:
            return
        with self._workspace.cursor() as cursor:
            lost = {reference.name: _lost_since(reference) for reference in table.references}
            hurt = identifier(f"salvage hurt {table.id}")
            any_lost = " OR ".join(f"({condition})" for condition in lost.values())
            cursor.execute(
                f"CREATE TABLE {hurt} AS SELECT * FROM ({joined(with_keys_at_backup(table), raw, keys)}) WHERE {any_lost}"
            )
            types = column_types(cursor, hurt)
            for reference in table.references:
                target = None if isinstance(reference, GenericReference) else keys.tables.get(reference.target)
                self._insert(
                    cursor,
                    table,
                    types,
                    f"{hurt} WHERE {lost[reference.name]}",
                    name=reference.name,
                    kind=reference.kind,
                    target=target.label if target else "",
                    value=self._value(table, reference, types),
                    pointed_at=self._key(identifier(key_at_backup_column(reference.name))),
                )
            cursor.execute(f"DROP TABLE {hurt}")

    def add_files(self, table: Table, raw: RawTable, root: FileRoot, lost: Path, present: Path | None) -> None:
        """Add the rows of a table whose file columns name lost files of a root.

        Args:
            table: the table.
            raw: its rows.
            root: the folder of files.
            lost: Parquet with the `path` of each lost file.
            present: Parquet with the `path` of each file that is left; only if names are lost with the index. Then it is
                unknown whether the other files existed when the snapshot was made.
        """
        columns = [column for column, name in table.file_columns if name == root.name]
        named = [column for column in columns if any(c.name == column for c in table.columns)]
        if not raw.files or not named:
            return
        with self._workspace.cursor() as cursor:
            paths = f"SELECT path FROM read_parquet({literal(str(present or lost))})"
            source = relation(table, raw)
            types = column_types(cursor, source)
            for column in named:
                path = path_named_by(column, raw.encodings.get(column, "native"), root)
                kind = "file" if present is None else "absent file"
                inside = "IN" if present is None else "<> ''::BLOB AND path NOT IN"
                kept = ", ".join(identifier(name) for name in (*table.primary_key, THEN_KEY))
                self._insert(
                    cursor,
                    table,
                    types,
                    f"(SELECT {kept}, {path} AS path FROM {source}) WHERE path {inside} ({paths})",
                    name=column,
                    kind=kind,
                    target=f"files of {root.name}",
                    value=_HIDDEN if self._redaction.hides(table, column) else _READABLE_PATH,
                    pointed_at="NULL",
                )

    def summary(self) -> tuple[Dangling, ...]:
        """Each reference with the number of its rows and a few examples."""
        with self._workspace.cursor() as cursor:
            counted = cursor.execute(
                "SELECT model, reference, kind, count(*), "
                f"min(coalesce(nullif(natural_key, {_HIDDEN}), primary_key), {_EXAMPLES}) FROM {_LIST} GROUP BY ALL ORDER BY ALL"
            ).fetchall()
        return tuple(
            Dangling(
                str(model), str(name), str(kind), int(rows), tuple(str(example)[:200] for example in examples or ())
            )
            for model, name, kind, rows, examples in counted
        )

    def write(self, dangling: Path, lost_rows: Path) -> tuple[int, int]:
        """Write all rows, and the lost rows that they name, as CSV files; returns the number of lines of each file."""
        with self._workspace.cursor() as cursor:
            named = (
                f"SELECT target AS model, value AS id, pointed_at AS natural_key, count(*) AS rows_that_point_at_it "
                f"FROM {_LIST} WHERE kind NOT IN ('soft', 'file', 'absent file') GROUP BY ALL"
            )
            return (
                _written(cursor, f"SELECT * EXCLUDE (target) FROM {_LIST}", dangling),
                _written(cursor, named, lost_rows),
            )

    def _insert(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        types: Mapping[str, str],
        source: str,
        *,
        name: str,
        kind: str,
        target: str,
        value: str,
        pointed_at: str,
    ) -> None:
        primary_key = _texts(table.primary_key, types)
        if any(self._redaction.hides(table, column) for column in table.primary_key):
            primary_key = _HIDDEN
        cursor.execute(
            f"INSERT INTO {_LIST} SELECT {literal(table.label)}, {literal(name)}, {literal(kind)}, {literal(target)}, "
            f"{primary_key}, {self._key(identifier(THEN_KEY))}, {value}, {pointed_at} FROM {source}"
        )

    def _value(self, table: Table, reference: Reference, types: Mapping[str, str]) -> str:
        """The value of a reference: a JSON array of its columns' texts."""
        hidden = any(self._redaction.hides(table, column) for column in members(reference))
        return _HIDDEN if hidden else _texts(members(reference), types)

    def _key(self, expression: str) -> str:
        return _HIDDEN if self._redaction.is_asked else expression


def _lost_since(reference: Reference) -> str:
    """SQL: whether a reference named a row when the snapshot was made, and does not now."""
    then, now = identifier(key_at_backup_column(reference.name)), identifier(reference_column(reference.name))
    if isinstance(reference, SoftReference):
        were, are = (f"coalesce(json_extract_string({marks}, '$[*].nowhere'), [])" for marks in (then, now))
        return f"({dangles(reference)} AND len(list_filter({are}, lambda one: NOT list_contains({were}, one))) > 0)"
    return f"({dangles(reference)} AND {then} IS NOT NULL)"


def _texts(columns: Sequence[str], types: Mapping[str, str]) -> str:
    """A JSON array of the canonical texts of columns; as an array, no spreadsheet takes a value for a formula."""
    return f"CAST(to_json([{', '.join(text_of(identifier(name), types[name]) for name in columns)}]) AS VARCHAR)"


def _written(cursor: duckdb.DuckDBPyConnection, query: str, path: Path) -> int:
    cursor.execute(f"COPY (SELECT * FROM ({query}) ORDER BY ALL) TO {literal(str(path))} (FORMAT csv, HEADER)")
    ((lines,),) = cursor.execute(f"SELECT count(*) FROM ({query})").fetchall()
    return int(lines)
