"""Ids in the names of files that no row has: such a file must not become that of a row which gets or has the id.

On the snapshot's side the id is replaced like that of a dangling reference, on the target's side it is not free.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.value_equality import bare_uuid
from edms_tasks.files.index import OpenedIndex
from edms_tasks.inventory.model import FileNameReference
from edms_tasks.merging.id_map import DanglingIds
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET
from edms_tasks.soft.id_patterns import name_expression

_AT_ONCE = 50_000
_NAMES = "names_of_files"


@dataclass(frozen=True)
class IdsInNames:
    """The files of `write_ids` for both sides; None if no names with ids are declared."""

    snapshot: Path | None = None
    target: Path | None = None


def names_of(opened: OpenedIndex) -> Iterator[bytes]:
    """The names of the files in an index."""
    if not opened.paths:
        return
    with opened.workspace() as connection:
        found = connection.execute(
            "SELECT path FROM read_parquet($paths) WHERE kind = 'file'", {"paths": [str(path) for path in opened.paths]}
        )
        while rows := found.fetchmany(4096):
            yield from (bytes(path) for (path,) in rows)


def write_ids(
    cursor: duckdb.DuckDBPyConnection,
    references: Sequence[FileNameReference],
    names: Mapping[str, Iterable[bytes]],
    path: Path,
) -> Path:
    """Write (table_id, id) of all names of files that contain ids to `path`.

    Args:
        cursor: where to compute.
        references: the declared names.
        names: the names of the files in each root.
        path: a Parquet file.
    """
    cursor.execute("CREATE OR REPLACE TEMP TABLE ids_in_names (table_id VARCHAR, id VARCHAR)")
    for root in {reference.root for reference in references} & names.keys():
        for some in _tables(names[root]):
            cursor.register(_NAMES, some)
            for reference in references:
                if reference.root == root:
                    cursor.execute(f"INSERT INTO ids_in_names {_ids(reference)}")
            cursor.unregister(_NAMES)
    cursor.execute(f"COPY (SELECT DISTINCT * FROM ids_in_names) TO {literal(str(path))} {AS_PARQUET}")
    return path


def collect_strays(
    cursor: duckdb.DuckDBPyConnection, rows: Mapping[str, Identified], path: Path | None, name: str
) -> DanglingIds:
    """Create the relation `name` of (table_id, id): the ids in a file of `write_ids` that no row of this side has."""
    cursor.execute(f"CREATE OR REPLACE TABLE {name} (table_id VARCHAR, id VARCHAR)")
    if path is None:
        return DanglingIds(name, frozenset())
    listed = f"read_parquet({literal(str(path))})"
    for (table_id,) in cursor.execute(f"SELECT DISTINCT table_id FROM {listed}").fetchall():
        found = rows.get(table_id)
        if found is None or len(found.table.primary_key) != 1:
            continue
        pk = found.table.primary_key[0]
        known = bare_uuid(text_of(identifier(pk), found.storage(pk).kind))
        cursor.execute(
            f"INSERT INTO {name} SELECT table_id, id FROM {listed} WHERE table_id = {literal(table_id)} "
            f"AND {bare_uuid('id')} NOT IN (SELECT {known} FROM {found.relation} WHERE {identifier(pk)} IS NOT NULL)"
        )
    stray = cursor.execute(f"SELECT DISTINCT table_id FROM {name}").fetchall()
    return DanglingIds(name, frozenset(table_id for (table_id,) in stray))


def _tables(names: Iterable[bytes]) -> Iterator[pa.Table]:
    left = iter(names)
    while some := [*islice(left, _AT_ONCE)]:
        texts = [text for one in some if (text := os.fsdecode(one)).isprintable()]
        yield pa.table({"name": pa.array(texts, pa.string())})


def _ids(reference: FileNameReference) -> str:
    pattern = name_expression(reference.pattern, reference.id_kind)
    written = f"regexp_extract(name, {literal(pattern.expression)}, ['before', 'id', 'after'], 's').id"
    plain = f"coalesce(nullif(ltrim({written}, '0'), ''), '0')" if pattern.padded else written
    return f"SELECT DISTINCT {literal(reference.target)}, {plain} FROM {_NAMES} WHERE {written} <> ''"
