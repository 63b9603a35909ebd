"""The id map: the id that each row of the snapshot gets in the target. A paired row gets its pair's id, any other row its own id if that
is free, otherwise a new one.

An id is not free if a row of the target has it, or if a reference in the target contains it although no row has it: that
reference would then refer to the new row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.chunk_columns import ORPHAN, reference_column
from edms_tasks.identifying.sides import DANGLING
from edms_tasks.inventory.model import CONTENT_TYPES, ForeignReference, GenericReference, SoftReference, Table
from edms_tasks.keys.checked_keys import generic_content_type, generic_object_id
from edms_tasks.merging.identified_rows import Identified, paired, same_row
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET

_MARKED = "rows_with_dangling_references"
WHOLE_NUMBERS = {"BIGINT", "INTEGER", "SMALLINT"}
"""The DuckDB types of ids that are counted up."""
_LARGEST = {"SMALLINT": 2**15 - 1, "INTEGER": 2**31 - 1, "BIGINT": 2**31 - 1}
_LIMIT = _LARGEST | {"BIGINT": 2**63 - 1}


@dataclass(frozen=True)
class IdMap:
    """The ids of a table's rows, in a Parquet file.

    Columns: `source`, the id in the snapshot; `target`, the pair's id, NULL for a new row; `final`, the id after the merge;
    `is_orphan`, whether the snapshot refers to the id although no row has it.
    """

    table: Table
    path: Path
    kind: str  # DuckDB type of the ids
    moved: int  # rows whose id is not the snapshot's
    reserved: int  # orphans of the snapshot that would have led to a row
    unplaced: int  # new rows whose id is taken, of a type that no number can be given

    @property
    def relation(self) -> str:
        """SQL: the relation to select from."""
        return f"read_parquet({literal(str(self.path))})"

    @property
    def changed(self) -> str:
        """SQL: the relation of the ids that the merge changes."""
        return f"(SELECT * FROM {self.relation} WHERE final IS DISTINCT FROM source)"


@dataclass(frozen=True)
class DanglingIds:
    """The ids of one side that references contain and no row has: a relation of (table_id, id)."""

    relation: str
    tables: frozenset[str]  # the tables that it names

    def of(self, table: Table, kind: str) -> str | None:
        """SQL: the ids of a table, as a condition's part; None if there are none."""
        if table.id not in self.tables:
            return None
        return f"SELECT TRY_CAST(id AS {kind}) AS id FROM {self.relation} WHERE table_id = {literal(table.id)}"


def collect_dangling(
    cursor: duckdb.DuckDBPyConnection,
    rows: Mapping[str, Identified],
    name: str,
    *,
    but_not_in: Mapping[str, Identified] | None = None,
) -> DanglingIds:
    """Create the relation `name` of (table_id, id): ids that references of one side contain and that no row of that side has.

    Rows that the other side (`but_not_in`) has as well, equal in every column, are left out: their references meant the same on
    both sides.
    """
    cursor.execute(f"CREATE OR REPLACE TABLE {name} (table_id VARCHAR, id VARCHAR)")
    for found in rows.values():
        if not found.rows:
            continue
        others = None if but_not_in is None else but_not_in[found.table.id].relation
        orphaned = _orphaned(cursor, found)
        queries = []
        marks = []
        for reference in found.table.references:
            if isinstance(reference, SoftReference):
                for soft in _soft_dangling(found, reference, rows, _without(found.relation, others), orphaned):
                    cursor.execute(f"INSERT INTO {name} {soft}")
            elif query := _dangling(cursor, found, reference, rows):
                queries.append(query)
                marks.append(f"{identifier(reference_column(reference.name))} = {literal(DANGLING)}")
        if queries and _has_any(cursor, found, marks):
            # Few rows have a mark, so the comparison with all rows of the other side is made of these, and once.
            marked = _without(f"(SELECT * FROM {found.relation} WHERE {' OR '.join(marks)})", others)
            cursor.execute(
                f"INSERT INTO {name} WITH {_MARKED} AS MATERIALIZED (SELECT * FROM {marked}) {' UNION ALL '.join(queries)}"
            )
    listed = cursor.execute(f"SELECT DISTINCT table_id FROM {name}").fetchall()
    return DanglingIds(name, frozenset(table_id for (table_id,) in listed))


def _has_any(cursor: duckdb.DuckDBPyConnection, found: Identified, marks: Sequence[str]) -> bool:
    """Whether any row has one of these marks. Most tables have none, and what follows costs several times as much as this."""
    return bool(cursor.execute(f"SELECT 1 FROM {found.relation} WHERE {' OR '.join(marks)} LIMIT 1").fetchall())


def _without(relation: str, others: str | None) -> str:
    """A relation of rows without those that are among `others`."""
    if others is None:
        return relation
    return f"(SELECT x.* FROM {relation} x ANTI JOIN {others} o ON {same_row('x', 'o')})"


def _dangling(
    cursor: duckdb.DuckDBPyConnection,
    found: Identified,
    reference: ForeignReference | GenericReference,
    rows: Mapping[str, Identified],
) -> str | None:
    """SELECT the (table_id, id) of a reference that `_MARKED` rows contain; None if no table here is what it refers to."""
    mark = f"x.{identifier(reference_column(reference.name))} = {literal(DANGLING)}"
    if isinstance(reference, ForeignReference):
        target = rows.get(reference.target)
        if target is None or target.table.primary_key != reference.target_columns or len(reference.columns) != 1:
            return None
        text = f"CAST(x.{identifier(reference.columns[0])} AS VARCHAR)"
        return f"SELECT DISTINCT {literal(reference.target)}, {text} FROM {_MARKED} x WHERE {mark}"
    known = content_type_ids(cursor, rows)
    if not known:
        return None
    kinds, encodings = found.side.keys.types[found.table.id], found.side.raws[found.table.id].encodings
    content_type = generic_content_type("x.", reference, encodings)
    text = generic_object_id("x.", reference, kinds, encodings)
    numbers = ", ".join(f"({literal(number)}, {literal(table_id)})" for number, table_id in known.items())
    return (
        f"SELECT DISTINCT k.table_id, {text} FROM {_MARKED} x "
        f"JOIN (VALUES {numbers}) k(number, table_id) ON {content_type} = k.number WHERE {mark}"
    )


def _soft_dangling(
    found: Identified,
    reference: SoftReference,
    rows: Mapping[str, Identified],
    relation: str,
    orphaned: Collection[tuple[str, str]],
) -> list[str]:
    """SELECT the (table_id, id) of a soft reference that rows of a relation contain, for each form of its column's values.

    `orphaned`: the references with an id without a row (`_orphaned`).
    """
    kinds = found.side.keys.types[found.table.id]
    target = rows.get(reference.target)
    if target is None or target.table.primary_key != (reference.target_column,):
        return []
    value = text_of(identifier(reference.column), kinds[reference.column])
    return [
        f"SELECT DISTINCT {literal(reference.target)}, unnest(json_extract_string({held}, '$[*].nowhere')) "
        f"FROM (SELECT v.* FROM {column.relation} v SEMI JOIN "
        f"(SELECT {value} AS value, {column.number_of('')} AS reading FROM {relation}) x ON x.value = v.value AND x.reading = v.reading) "
        f"WHERE contains({held}, {literal(ORPHAN)})"
        for column in found.side.keys.soft.get(found.table.id, ())
        for place, one in enumerate(column.references)
        for held in [f"r{place}"]
        if one == reference.name and (column.relation, held) in orphaned
    ]


def _orphaned(cursor: duckdb.DuckDBPyConnection, found: Identified) -> set[tuple[str, str]]:
    """The relation and the column of each soft reference of a table that has an id without a row anywhere; most have none."""
    orphaned: set[tuple[str, str]] = set()
    for column in found.side.keys.soft.get(found.table.id, ()):
        held = [f"r{place}" for place in range(len(column.references))]
        marks = ", ".join(f"bool_or(contains({one}, {literal(ORPHAN)}))" for one in held)
        row = cursor.execute(f"SELECT {marks} FROM {column.relation}").fetchone()
        assert row is not None  # an aggregate always returns one row
        orphaned.update((column.relation, one) for one, is_orphaned in zip(held, row, strict=True) if is_orphaned)
    return orphaned


def content_type_ids(cursor: duckdb.DuckDBPyConnection, rows: Mapping[str, Identified]) -> dict[str, str]:
    """The id of each content type of one side, as text -> the id of its model's table."""
    types = rows.get(CONTENT_TYPES)
    if types is None or not types.rows:
        return {}
    by_name = {name: found.table.id for found in rows.values() for name in found.table.content_types}
    listed = cursor.execute(f"SELECT CAST(id AS VARCHAR), app_label, model FROM {types.relation}").fetchall()
    return {str(number): by_name[app, model] for number, app, model in listed if (app, model) in by_name}


def map_ids(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    path: Path,
    *,
    dangling_source: DanglingIds,
    dangling_target: DanglingIds,
    strays: tuple[DanglingIds, DanglingIds] | None = None,
    parent: IdMap | None = None,
    spelled: str | None = None,
    own_edms: bool = False,
) -> IdMap | None:
    """Assign the ids of a table's rows; None if the primary key is not a single column.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        target: the target's rows.
        path: the file to write.
        dangling_source: the snapshot's ids without a row (`collect_dangling`).
        dangling_target: the target's.
        strays: the ids in names of files that no row of the snapshot, or of the target, has.
        parent: the ids of the table whose ids these rows share (multi-table inheritance), settled before.
        spelled: if the ids contain declared ids of other rows, the relation of `soft_values.rewritten_values`.
        own_edms: whether the snapshot is of the target's own EDMS.
    """
    table = source.table
    if len(table.primary_key) != 1:
        return None
    pk, kind = table.primary_key[0], source.storage(table.primary_key[0]).kind
    if not source.rows:
        kind = target.storage(pk).kind
    column = identifier(pk)
    countable = kind in WHOLE_NUMBERS and not source.storage(pk).tagged
    target_ids = f"(SELECT CAST({column} AS {kind}) AS id FROM {target.relation})"
    target_dangling, source_dangling = dangling_target.of(table, kind), dangling_source.of(table, kind)
    if source_dangling and countable:
        # 007 is looked up as it is written and leads to no row, but it is not the id 7, which may be that of a row.
        source_dangling += f" AND CAST(TRY_CAST(id AS {kind}) AS VARCHAR) = id"
    pairs = _pairs(source, target, column, kind, spelled)
    if not (own_edms and _pairs_have_equal_ids(cursor, pairs)):
        # In the same system such an id means the row that had it.
        stray, stray_there = (one.of(table, kind) for one in strays) if strays and countable else (None, None)
        source_dangling = " UNION ALL ".join(filter(None, (source_dangling, stray))) or None
        target_dangling = " UNION ALL ".join(filter(None, (target_dangling, stray_there))) or None
    own = "s.own" if parent is None else f"CAST(p.final AS {kind})"
    shared = "" if parent is None else f"LEFT JOIN {parent.relation} p ON p.source = s.source"
    taken = f"own IN (SELECT id FROM {target_ids} WHERE id IS NOT NULL)"
    # If all pairs have equal ids, a dangling reference of the target means the snapshot's row with that id.
    if target_dangling and not (own_edms and _pairs_have_equal_ids(cursor, pairs)):
        taken = f"({taken} OR own IN (SELECT id FROM ({target_dangling}) WHERE id IS NOT NULL))"
    taken = f"is_new AND {taken}" if parent is None else "false"
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE numbered AS SELECT source, own, target, {taken} AS taken FROM {pairs}"
    )
    new, renumbered = "CAST(NULL AS BIGINT)", ""
    # An id that says which rows it is about cannot be exchanged for another number.
    is_free = countable and pk not in table.soft_columns
    dangling = [*filter(None, (target_dangling, source_dangling))]
    if is_free and _assign_new_ids(cursor, target_ids, dangling, _LIMIT[kind]):
        new, renumbered = "n.number", "LEFT JOIN new_numbers n ON n.source = s.source"
    orphans = _reserved_ids(source_dangling, target_ids, kind, countable=countable) if source_dangling else ""
    cursor.execute(
        f"""
        COPY (
            SELECT s.source, s.target, coalesce(s.target, CASE WHEN s.taken THEN TRY_CAST({new} AS {kind}) ELSE {own} END) AS final,
                false AS is_orphan
            FROM numbered s {shared} {renumbered}
            {orphans}
        ) TO {literal(str(path))} {AS_PARQUET}
        """
    )
    return IdMap(table, path, kind, *_counted(cursor, path))


def _reserved_ids(dangling: str, target_ids: str, kind: str, *, countable: bool) -> str:
    """SQL: the rows of the map for the snapshot's ids without a row that a row of the target has."""
    # Ids at the upper end of the type: no sequence gets there, and the same id always becomes the same one.
    reserved = f"TRY_CAST({_LARGEST[kind]} - CAST(id AS HUGEINT) AS {kind})" if countable else f"CAST(NULL AS {kind})"
    return f"""
        UNION ALL
        -- An id that is a row's would make the reference lead to it: then there is none.
        SELECT id, CAST(NULL AS {kind}), CASE WHEN reserved NOT IN (
            SELECT id FROM {target_ids} WHERE id IS NOT NULL UNION ALL SELECT source FROM numbered
        ) THEN reserved END, true
        FROM (SELECT DISTINCT id, {reserved} AS reserved FROM ({dangling}))
        WHERE id IN (SELECT id FROM {target_ids} WHERE id IS NOT NULL)
    """


def _counted(cursor: duckdb.DuckDBPyConnection, path: Path) -> tuple[int, int, int]:
    """How many ids of a written map moved, are reserved, and have no place."""
    row = cursor.execute(
        f"SELECT count(*) FILTER (final IS DISTINCT FROM source AND NOT is_orphan), count(*) FILTER (is_orphan), "
        f"count(*) FILTER (final IS NULL) FROM read_parquet({literal(str(path))})"
    ).fetchone()
    assert row is not None  # an aggregate always returns one row
    moved, reserved, unplaced = (int(number) for number in row)
    return moved, reserved, unplaced


def _pairs(source: Identified, target: Identified, column: str, kind: str, spelled: str | None) -> str:
    """SQL: the snapshot's ids, the same with rewritten ids in them, those of their pairs, and whether there is none."""
    own, rewritten = f"s.{column}", ""
    if spelled is not None:
        pk, kinds = source.table.primary_key[0], source.side.keys.types[source.table.id]
        reading = next(one.number_of("s") for one in source.side.keys.soft[source.table.id] if one.column == pk)
        own = f"coalesce(CAST(w.rewritten AS {kinds[pk]}), s.{column})"
        rewritten = f" LEFT JOIN {spelled} w ON w.value = {text_of(f's.{column}', kinds[pk])} AND w.reading = {reading}"
    return (
        f"(SELECT CAST(s.{column} AS {kind}) AS source, CAST({own} AS {kind}) AS own, CAST(t.{column} AS {kind}) AS target, "
        f"t.{column} IS NULL AS is_new FROM {source.relation} s LEFT JOIN {target.relation} t ON {paired('s', 't')}{rewritten})"
    )


def _pairs_have_equal_ids(cursor: duckdb.DuckDBPyConnection, pairs: str) -> bool:
    """Whether there are pairs, and both rows of every pair have the same id."""
    (found, same) = cursor.execute(
        f"SELECT count(*) FILTER (NOT is_new), count(*) FILTER (NOT is_new AND source = target) FROM {pairs}"
    ).fetchall()[0]
    return bool(found and found == same)


def _assign_new_ids(cursor: duckdb.DuckDBPyConnection, target_ids: str, dangling: Sequence[str], limit: int) -> bool:
    """Create `new_numbers`: new ids for rows whose ids are taken; False if there are none. Ids in dangling references are skipped.

    They follow the highest id of a row, not the highest id in a reference: a log row may contain any number, and counters must
    not jump there. If there are not enough numbers up to `limit`, they are the lowest free ones.
    """
    (wanted, last) = cursor.execute(
        f"SELECT count(*) FILTER (taken), greatest(coalesce(max(source), 0), (SELECT coalesce(max(id), 0) FROM {target_ids})) FROM numbered"
    ).fetchall()[0]
    if not wanted:
        return False
    both = " UNION ALL ".join(dangling) or "SELECT 0 AS id WHERE false"
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE skipped_ids AS SELECT DISTINCT id FROM ({both}) WHERE id > {int(last)}"
    )
    (skipped,) = cursor.execute("SELECT count(*) FROM skipped_ids").fetchall()[0]
    first, beyond = int(last) + 1, int(last) + 1 + int(wanted) + int(skipped)
    if beyond > limit:
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE skipped_ids AS SELECT DISTINCT id FROM ({both} UNION ALL SELECT id FROM {target_ids} "
            "UNION ALL SELECT source FROM numbered) WHERE id > 0"
        )
        (skipped,) = cursor.execute("SELECT count(*) FROM skipped_ids").fetchall()[0]
        first, beyond = 1, 1 + int(wanted) + int(skipped)
    cursor.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE new_numbers AS
        SELECT t.source, f.number
        FROM (SELECT source, row_number() OVER (ORDER BY source) AS place FROM numbered WHERE taken) t
            JOIN (
                SELECT range AS number, row_number() OVER (ORDER BY range) AS place
                FROM range({first}, {beyond})
                WHERE range NOT IN (SELECT id FROM skipped_ids)
            ) f USING (place)
        """
    )
    return True
