"""Rewrite the snapshot's rows for the target: primary keys and every kind of reference get the target's ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from edms_tasks.digests.canonical import text_of
from edms_tasks.digests.chunk_columns import KEY, reference_column
from edms_tasks.digests.value_equality import bare_if_uuid, equal
from edms_tasks.digests.value_text import text_value
from edms_tasks.errors import CheckFailed, MergeRefused
from edms_tasks.identifying.comparable_columns import as_stored, same
from edms_tasks.identifying.meant_ids import tables_of_ids
from edms_tasks.identifying.sides import DANGLING
from edms_tasks.inventory.model import ForeignReference, GenericReference, Table
from edms_tasks.keys.checked_keys import generic_content_type, generic_object_id
from edms_tasks.merging.id_map import IdMap, content_type_ids
from edms_tasks.merging.identified_rows import EXACT, NUMBER, Identified, exact_hash, paired
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET

ACTION = "@action"
COLUMNS = "@columns"


@dataclass(frozen=True)
class Rewritten:
    """A table's rewritten rows in a Parquet file.

    Columns: the stored columns as the target will have them; `@key` and `@number`; `@exact`, the hash of these columns; and
    `@action`, `insert`, `update` or `same`. A second file has (`@key`, `@columns`) of the rows to update: the columns that differ
    from the target's.
    """

    path: Path
    updated: Path
    inserts: int
    updates: int
    same: int

    @property
    def rows(self) -> int:
        """The number of rows: inserts, updates and equal ones."""
        return self.inserts + self.updates + self.same

    @property
    def relation(self) -> str:
        """SQL: the relation to select from."""
        return f"read_parquet({literal(str(self.path))})"

    @property
    def updates_relation(self) -> str:
        """SQL: the relation of the rows to update, with the columns that differ."""
        return f"read_parquet({literal(str(self.updated))})"


def rewrite(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    id_maps: Mapping[str, IdMap],
    path: Path,
    *,
    soft: Mapping[str, str],
    generic: str,
) -> Rewritten:
    """Write a table's rows with rewritten references and the action for each: insert, update or same.

    Args:
        cursor: where to compute.
        source: the snapshot's rows.
        target: the target's rows.
        id_maps: the ids, by table id.
        path: the file to write.
        soft: column -> relation of (value, reading, rewritten), canonical texts, for values with ids that changed.
        generic: the relation that `tabulate_generic_ids` made.

    Raises:
        CheckFailed: an id has no place in the target, or rows would multiply.
    """
    updated = path.with_suffix(".updates.parquet")
    values, joins = _rewritten_values(source, target, id_maps, soft, generic)
    _write_rows(cursor, source, target, values, joins, path)
    counts = dict(
        cursor.execute(f'SELECT "{ACTION}", count(*) FROM read_parquet({literal(str(path))}) GROUP BY 1').fetchall()
    )
    _write_updates(cursor, source, target, path, updated, any_rows=counts.get("update", 0) > 0)
    if sum(counts.values()) != source.rows:
        raise CheckFailed(
            f"{source.table.label} has {source.rows} rows in the snapshot, but {sum(counts.values())} with the target's ids.",
            where=source.table.id,
            why="A value that rows refer to, or a natural key, is not unique in one of the two databases.",
            fix="The live system is untouched. `edms-backup doctor` shows which key has duplicates.",
        )
    return Rewritten(path, updated, counts.get("insert", 0), counts.get("update", 0), counts.get("same", 0))


def _rewritten_values(
    source: Identified, target: Identified, id_maps: Mapping[str, IdMap], soft: Mapping[str, str], generic: str
) -> tuple[dict[str, str], list[str]]:
    """Column -> expression with its references rewritten, and the joins that the expressions need."""
    table = source.table
    joins: list[str] = [f"LEFT JOIN {target.relation} t ON {paired('s', 't')}"]
    values = {column.name: f"s.{identifier(column.name)}" for column in table.stored_columns}
    kinds = source.side.keys.types[table.id]
    for number, reference in enumerate(table.references):
        if isinstance(reference, ForeignReference):
            _follow_foreign(source, reference, id_maps, values, joins, f"f{number}")
        elif isinstance(reference, GenericReference):
            _follow_generic(source, reference, generic, kinds, values, joins, f"g{number}")
    for number, (column, changed) in enumerate(soft.items()):
        text = text_of(f"s.{identifier(column)}", kinds[column])
        reading = next(one.number_of("s") for one in source.side.keys.soft[table.id] if one.column == column)
        joins.append(f"LEFT JOIN {changed} w{number} ON w{number}.value = {text} AND w{number}.reading = {reading}")
        values[column] = (
            f"CASE WHEN w{number}.value IS NULL THEN {values[column]} ELSE CAST(w{number}.rewritten AS {kinds[column]}) END"
        )
    own = id_maps.get(table.id)
    if own is not None and own.moved:
        pk = identifier(table.primary_key[0])
        joins.append(f"LEFT JOIN {own.relation} own ON own.source = CAST(s.{pk} AS {own.kind}) AND NOT own.is_orphan")
        values[table.primary_key[0]] = f"CAST(own.final AS {kinds[table.primary_key[0]]})"
    return values, joins


def _write_rows(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    values: Mapping[str, str],
    joins: Sequence[str],
    path: Path,
) -> None:
    """Write the rewritten rows, each with its action."""
    table = source.table
    final = ", ".join(f"{value} AS {identifier(name)}" for name, value in values.items())
    exact = exact_hash(
        table, {c.name: (identifier(c.name), source.storage(c.name)) for c in table.stored_columns}, target.side
    )
    mine = ""
    if all(value == f"s.{identifier(name)}" for name, value in values.items()):
        exact, mine = '"@mine"', f', s.{identifier(EXACT)} AS "@mine"'  # no value changes, and neither does their hash
    cursor.execute(
        f"""
        COPY (
            SELECT r.* EXCLUDE ("@theirs"{', "@mine"' if mine else ""}), CASE WHEN "@theirs" IS NULL THEN 'insert'
                WHEN "@theirs" = {identifier(EXACT)} THEN 'same' ELSE 'update' END AS "{ACTION}"
            FROM (
                SELECT *, {exact} AS {identifier(EXACT)}
                FROM (
                    SELECT {final + "," if final else ""} s.{identifier(KEY)}, s.{identifier(NUMBER)},
                        t.{identifier(EXACT)} AS "@theirs"{mine}
                    FROM {source.relation} s {" ".join(joins)}
                )
            ) r
        ) TO {literal(str(path))} {AS_PARQUET}
        """
    )


def _write_updates(
    cursor: duckdb.DuckDBPyConnection,
    source: Identified,
    target: Identified,
    path: Path,
    updated: Path,
    *,
    any_rows: bool,
) -> None:
    """Write the columns in which each updated row differs."""
    differing = ", ".join(
        f"CASE WHEN NOT ({same(f'r.{identifier(c.name)}', source.storage(c.name), f't.{identifier(c.name)}', target.storage(c.name))}) "
        f"THEN {literal(c.name)} END"
        for c in source.table.stored_columns
    )
    rows = f"(SELECT * FROM read_parquet({literal(str(path))}) WHERE \"{ACTION}\" = 'update') r"
    columns = f"list_filter([{differing}], lambda name: name IS NOT NULL)"
    if any_rows:
        rows += f" JOIN {target.relation} t ON {paired('r', 't')}"
    else:  # no row to compare: long expressions take longer to prepare than small tables to read
        columns = "CAST([] AS VARCHAR[])"
    cursor.execute(
        f'COPY (SELECT r.{identifier(KEY)}, {columns} AS "{COLUMNS}" FROM {rows}) '
        f"TO {literal(str(updated))} {AS_PARQUET}"
    )


def tabulate_generic_ids(
    cursor: duckdb.DuckDBPyConnection, sources: Mapping[str, Identified], id_maps: Mapping[str, IdMap], name: str
) -> None:
    """Create the relation `name` of (content_type, id, final): the object ids that change, as generic references write them."""
    cursor.execute(f"CREATE OR REPLACE TABLE {name} (content_type VARCHAR, id VARCHAR, final VARCHAR)")
    for content_type, table_id in content_type_ids(cursor, sources).items():
        id_map = id_maps.get(table_id)
        if id_map is None or not (id_map.moved or id_map.reserved):
            continue
        cursor.execute(
            f"INSERT INTO {name} SELECT {literal(content_type)}, {_bare('source')}, CAST(final AS VARCHAR) FROM {id_map.changed}"
        )


def _follow_foreign(
    source: Identified,
    reference: ForeignReference,
    id_maps: Mapping[str, IdMap],
    values: dict[str, str],
    joins: list[str],
    alias: str,
) -> None:
    _require_still(source.table, reference, id_maps)
    for number, (column, meant) in enumerate(
        zip(reference.columns, tables_of_ids(reference, source.side.tables), strict=True)
    ):
        id_map = id_maps.get(meant) if meant is not None else None
        if id_map is None or not (id_map.moved or id_map.reserved):
            continue  # it holds values that this merge does not change
        if column not in values or values[column] != f"s.{identifier(column)}":
            continue  # a computed column, or one that an earlier reference rewrote
        here, ids = source.storage(column), f"{alias}_{number}"
        there = source.side.keys.storage(id_map.table.id, id_map.table.primary_key[0])
        joins.append(
            f"LEFT JOIN {id_map.changed} {ids} ON {equal(f's.{identifier(column)}', here, f'{ids}.source', there)}"
        )
        moved = as_stored(f"CAST({ids}.final AS VARCHAR)", here)
        values[column] = _unless_still_orphan(reference.name, f"{ids}.source", column, here.kind, moved)


def _require_still(table: Table, reference: ForeignReference, id_maps: Mapping[str, IdMap]) -> None:
    """Each partition is merged as a table of its own: where its ids change, one id of the whole could have two new ones."""
    moved = [name for name in reference.partitions if name in id_maps and id_maps[name].moved]
    if moved:
        raise MergeRefused(
            f"{table.label} refers to the partitioned table {reference.target}, whose rows would get other ids.",
            where=", ".join(moved),
            why="The target uses these ids for other rows, and a merge cannot give new ids to partitions.",
            fix="Nothing was changed. Restore the snapshot into another database (`edms-backup restore --into`), and copy the rows by "
            "hand.",
        )


def _follow_generic(
    source: Identified,
    reference: GenericReference,
    generic: str,
    kinds: Mapping[str, str],
    values: dict[str, str],
    joins: list[str],
    alias: str,
) -> None:
    column = reference.object_id_column
    if column not in values or values[column] != f"s.{identifier(column)}":
        return
    encodings = source.side.raws[source.table.id].encodings
    raw = text_value(column, kinds[column], encodings.get(column, "native"), alias="s")
    joins.append(
        f"LEFT JOIN {generic} {alias} ON {alias}.content_type = {generic_content_type('s.', reference, encodings)} "
        f"AND {alias}.id = {generic_object_id('s.', reference, kinds, encodings)}"
    )
    bare = f"replace({alias}.final, '-', '')"
    dashed = f"concat_ws('-', {bare}[1:8], {bare}[9:12], {bare}[13:16], {bare}[17:20], {bare}[21:32])"
    as_written = (
        f"CASE WHEN strlen({bare}) <> 32 THEN {alias}.final WHEN contains({raw}, '-') THEN {dashed} ELSE {bare} END"
    )
    here = source.storage(column)
    moved = as_stored(as_written, here)
    values[column] = _unless_still_orphan(reference.name, f"{alias}.final", column, here.kind, moved)


def _unless_still_orphan(name: str, found: str, column: str, kind: str, moved: str) -> str:
    """The new id, where there is one; a reference that has no row in the target either stays as it is there."""
    orphans = f"{identifier(reference_column(name))} = {literal(DANGLING)}"
    return (
        f"CASE WHEN {found} IS NULL THEN s.{identifier(column)} "
        f"WHEN coalesce(s.{orphans} AND t.{orphans}, false) THEN CAST(t.{identifier(column)} AS {kind}) ELSE {moved} END"
    )


def _bare(column: str) -> str:
    return bare_if_uuid(f"CAST({column} AS VARCHAR)", "VARCHAR")
