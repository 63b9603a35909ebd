"""The values of a column with soft references, each once, with the ids that the rows have in the target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.digests.canonical import text_of
from edms_tasks.merging.id_map import IdMap
from edms_tasks.merging.identified_rows import Identified
from edms_tasks.quoting import identifier, literal
from edms_tasks.soft.id_lookup import id_text
from edms_tasks.soft.readings import UNREAD
from edms_tasks.soft.value_rewriting import FinalId, final_ids, rewriter

_SCHEMA = pa.schema([("value", pa.string()), ("reading", pa.int32()), ("class", pa.string()), ("text", pa.string())])
_AT_ONCE = 4096


def rewritten_values(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    column: str,
    id_maps: Mapping[str, IdMap],
    path: Path,
) -> str | None:
    """SQL of a relation of (value, reading, rewritten) with the values that change, in the form in which the column is stored; None if
    none changes.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        column: a column with soft references.
        id_maps: the id maps, by table id.
        path: the file to write.
    """
    table = source.table
    references = [reference for reference in table.soft_references if reference.column == column]
    moved = [id_maps.get(reference.target) for reference in references]
    own = [
        one if one is not None and one.table.primary_key == (reference.target_column,) else None
        for one, reference in zip(moved, references, strict=True)
    ]
    if not any(one is not None and (one.moved or one.reserved) for one in own):
        return None
    finals = [_final(cursor, one) for one in own]
    with pq.ParquetWriter(path, _SCHEMA) as writer:
        for batch in _changed(cursor, source, column, finals):
            writer.write_batch(batch)
    changed = f"read_parquet({literal(str(path))})"
    # A tagged value has a letter for its storage class, and text in hexadecimal.
    retagged = "CASE class WHEN '' THEN text WHEN 't' THEN 't' || hex(text) ELSE class || text END"
    return f"(SELECT value, reading, {retagged} AS rewritten FROM {changed})"


def _final(cursor: duckdb.DuckDBPyConnection, id_map: IdMap | None) -> FinalId:
    if id_map is None:
        return lambda written: None
    rows = cursor.execute(f"SELECT CAST(source AS VARCHAR), CAST(final AS VARCHAR) FROM {id_map.changed}").fetchall()
    compared = _compared(id_map)
    return final_ids({compared(str(was)): str(now) for was, now in rows}, compared)


def _compared(id_map: IdMap) -> Callable[[str], str]:
    """As `soft.ids.Ids.compared` spells ids."""
    column = id_map.table.column(id_map.table.primary_key[0])
    if column.logical_type == "uuid":
        return lambda written: written.replace("-", "").lower()
    if column.native_type.rpartition(".")[2].lower() == "citext":
        return str.lower
    return lambda written: (
        written.replace("-", "").lower() if len(written) == 36 and len(written.replace("-", "")) == 32 else written
    )


def _changed(
    cursor: duckdb.DuckDBPyConnection, source: Identified, column: str, finals: Sequence[FinalId]
) -> Iterator[pa.RecordBatch]:
    raw, kinds = source.side.raws[source.table.id], source.side.keys.types[source.table.id]
    held = next(one for one in source.side.keys.soft[source.table.id] if one.column == column)
    rewriters = [rewriter(reading, finals) for reading in held.readings]
    name = identifier(column)
    kept_class = f"left({name}, 1)" if raw.encodings.get(column) == "tagged" else "''"
    found = cursor.execute(
        f"SELECT DISTINCT {text_of(name, kinds[column])}, {held.number_of('')}, {kept_class}, "
        f"{id_text(source.table, column, raw, kinds)} FROM {source.relation} WHERE {name} IS NOT NULL"
    )
    while rows := found.fetchmany(_AT_ONCE):
        made = [
            (value, number, kind, text, rewriters[number](text))
            for value, number, kind, text in rows
            if text is not None and number != UNREAD
        ]
        changed = [(value, number, kind, now) for value, number, kind, text, now in made if now != text]
        if changed:
            columns = [pa.array(part, one.type) for part, one in zip(zip(*changed, strict=True), _SCHEMA, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)
