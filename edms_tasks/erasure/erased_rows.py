"""Erase rows from a snapshot before it is restored: a manifest over an overlay of the repository, in which they are not.

Deleted rows take with them what cannot exist without them, and files that no other row names. What is left is counted and proved anew,
so the restore is validated exactly, without what was erased.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from edms_tasks.chunks.stored_anew import keeps_its_order, stored_anew
from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.digests.chunk_columns import reference_column
from edms_tasks.digests.value_text import text_value
from edms_tasks.erasure.applied_erasures import AppliedErasure, ErasedTables
from edms_tasks.erasure.ledger import Action, Erasure
from edms_tasks.erasure.parent_links import parent_links
from edms_tasks.erasure.row_search import matching
from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.model import ForeignReference, Table
from edms_tasks.manifest import Block, Chunk, Manifest, TableEntry
from edms_tasks.masking.column_masks import column_mask
from edms_tasks.masking.mask_plan import MaskedColumn, table_mask
from edms_tasks.masking.masked_rows import emptied
from edms_tasks.masking.rules import ColumnRule
from edms_tasks.proof.block_hash import hash_columns, hash_table
from edms_tasks.proof.table_proof import own_columns
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, column_types

_MARKS = "erasure_marks"
_FILE, _PLACE = "@file", "@place"
_WHERE = f"{identifier(_FILE)}, {identifier(_PLACE)}"
"""Where a row is, as the columns of a relation of rows say."""


class RowEraser:
    """Erases rows of one snapshot.

    Args:
        cursor: of the workspace, with the key of pseudonyms and the functions of `mask_functions`.
        workspace: where to compute.
        repository: takes changed chunks; not the repository of the snapshot.
        manifest: the snapshot.
        folder: for the chunks of tables that are looked at; created.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        workspace: Workspace,
        repository: Repository,
        manifest: Manifest,
        folder: Path,
    ) -> None:
        self._cursor = cursor
        self._workspace = workspace
        self._repository = repository
        self._entries = {entry.table.id: entry for entry in manifest.tables}
        self._folder = folder
        self._files: dict[str, list[Path]] = {}
        self._columns: dict[str, tuple[MaskedColumn, ...]] = {}
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE {_MARKS} (table_id VARCHAR, file VARCHAR, place BIGINT, action VARCHAR, what VARCHAR)"
        )

    def erase(self, erasures: Sequence[Erasure]) -> ErasedTables:
        """Erase rows; raises CheckFailed if a row that must be deleted is protected by others, or cannot be masked."""
        found = [self._mark_rows(one) for one in erasures]  # of all, before what they delete with them is looked for
        applied = tuple(self._apply(one, rows) for one, rows in zip(erasures, found, strict=True))
        self._require_unprotected(erasures)
        changed = [str(name) for (name,) in self._cursor.execute(f"SELECT DISTINCT table_id FROM {_MARKS}").fetchall()]
        names: dict[str, set[str]] = {}
        for table_id in changed:
            for root, name in self._names_of_files(self._entries[table_id].table):
                names.setdefault(root, set()).add(name)
        entries = {table_id: self._rewritten(self._entries[table_id]) for table_id in changed}
        return ErasedTables(entries, applied, {root: frozenset(found) for root, found in names.items()})

    def _mark_rows(self, erasure: Erasure) -> int:
        """Mark the rows that an erasure names; their number."""
        erased = erasure.erased
        entry = self._entries.get(erased.table)
        if entry is None or not self._rows(entry):
            return 0
        _require_columns(erasure, entry)
        types = column_types(self._cursor, self._relation(entry))
        wanted, values = matching(erased.row, types, entry.encodings)
        rows = f"SELECT {_WHERE} FROM {self._relation(entry)} WHERE {wanted}"
        if erased.columns:
            # The last erasure of a row counts, also if an earlier one names it by another column.
            self._cursor.execute(f"DELETE FROM {_MARKS} WHERE action = 'delete' AND (file, place) IN ({rows})", values)
            rules = {name: ColumnRule(kind=kind) for name, kind in erased.columns.items()}
            self._columns[erasure.id] = table_mask(entry, rules, erasure.title).columns
        action = "mask" if erased.columns else "delete"
        return self._mark(
            f"SELECT {literal(erased.table)}, {_WHERE}, {literal(action)}, {literal(erasure.id)} FROM ({rows})", values
        )

    def _apply(self, erasure: Erasure, rows: int) -> AppliedErasure:
        if not rows:
            return AppliedErasure.of(erasure, found=False)
        if erasure.erased.columns:
            return AppliedErasure.of(erasure, found=True, masked=rows)
        unlinked = self._spread(erasure)
        ((deleted,),) = self._cursor.execute(
            f"SELECT count(*) FROM {_MARKS} WHERE action = 'delete' AND what = ?", [erasure.id]
        ).fetchall()
        return AppliedErasure.of(erasure, found=True, deleted=deleted, unlinked=unlinked)

    def _spread(self, erasure: Erasure) -> int:
        """Delete what refers to deleted rows, or take its reference off; the number of rows without their reference."""
        unlinked = 0
        queue = [erasure.erased.table]
        while queue:
            target = queue.pop()
            for parent, link in self._parents(target):
                rows = self._referring(self._entries[target], link, parent, erasure.id, upwards=True)
                if self._mark(f"SELECT {literal(parent.table.id)}, {_WHERE}, 'delete', ? FROM ({rows})", [erasure.id]):
                    queue.append(parent.table.id)
            for entry, reference in self._references_to(target):
                action = _action(erasure, entry, reference)
                if action == "protect":
                    continue
                rows = self._referring(entry, reference, self._entries[target], erasure.id)
                shown = reference.name if action == "null" else erasure.id
                count = self._mark(
                    f"SELECT {literal(entry.table.id)}, {_WHERE}, {literal(action)}, {literal(shown)} FROM ({rows})", []
                )
                if action == "null":
                    unlinked += count
                elif count:
                    queue.append(entry.table.id)
        return unlinked

    def _require_unprotected(self, erasures: Sequence[Erasure]) -> None:
        """Refuse if a row that stays refers to a deleted one, and the EDMS does not allow that."""
        deleted = self._cursor.execute(
            f"SELECT DISTINCT what, table_id FROM {_MARKS} WHERE action = 'delete' ORDER BY ALL"
        ).fetchall()
        by_id = {one.id: one for one in erasures}
        for erasure_id, target in deleted:
            erasure = by_id[erasure_id]
            for entry, reference in self._references_to(target):
                if _action(erasure, entry, reference) != "protect":
                    continue
                rows = self._referring(entry, reference, self._entries[target], erasure_id)
                ((count,),) = self._cursor.execute(f"SELECT count(*) FROM ({rows})").fetchall()
                if count:
                    raise CheckFailed(
                        f"An erasure cannot be applied again: {count:,} {'row' if count == 1 else 'rows'} of {entry.table.label}"
                        f" refer to what it deletes by {reference.name}.",
                        where=erasure.title,
                        why="The EDMS protects a row that they refer to from being deleted.",
                        fix="The live system is untouched. Record that its columns are erased instead: `edms-backup erase MODEL:KEY"
                        " --column FIELD=KIND`; it takes the place of this one. Or erase these rows, too."
                        " Or restore with --without-erasures REASON.",
                    )

    def _parents(self, child: str) -> Iterator[tuple[TableEntry, ForeignReference]]:
        """The tables of the models that a table's model inherits from: Django deletes their rows with it."""
        for link in parent_links(self._entries[child].table):
            for parent in link.targets:
                if parent in self._entries and self._rows(self._entries[parent]):
                    yield self._entries[parent], link

    def _references_to(self, target: str) -> Iterator[tuple[TableEntry, ForeignReference]]:
        for entry in self._entries.values():
            for reference in entry.table.references:
                points_there = isinstance(reference, ForeignReference) and target in reference.targets
                if isinstance(reference, ForeignReference) and points_there and self._rows(entry):
                    yield entry, reference

    def _referring(
        self,
        entry: TableEntry,
        reference: ForeignReference,
        target: TableEntry,
        erasure_id: str,
        *,
        upwards: bool = False,
    ) -> str:
        """SQL of the rows that refer to deleted ones, and are not marked for that yet; `upwards`: of those that deleted ones refer to."""
        wanted, deleted = ("p", "c") if upwards else ("c", "p")
        child, parent = self._relation(entry), self._relation(target)
        theirs, ours = column_types(self._cursor, parent), column_types(self._cursor, child)
        joined = " AND ".join(
            f"{text_value(one, ours[one], entry.encodings.get(one, 'native'), alias='c')}"
            f" = {text_value(other, theirs[other], target.encodings.get(other, 'native'), alias='p')}"
            for one, other in zip(reference.columns, reference.target_columns, strict=True)
        )
        return f"""
            SELECT DISTINCT {wanted}.{identifier(_FILE)}, {wanted}.{identifier(_PLACE)}
            FROM {child} c
            JOIN {parent} p ON {joined}
            JOIN {_MARKS} m ON m.file = {deleted}.{identifier(_FILE)} AND m.place = {deleted}.{identifier(_PLACE)}
                AND m.action = 'delete' AND m.what = {literal(erasure_id)}
            WHERE NOT EXISTS (
                SELECT 1 FROM {_MARKS} d
                WHERE d.file = {wanted}.{identifier(_FILE)} AND d.place = {wanted}.{identifier(_PLACE)}
                    AND (d.action = 'delete' OR (d.action = 'null' AND d.what = {literal(reference.name)}))
            )
        """

    def _mark(self, query: str, values: list[str]) -> int:
        ((count,),) = self._cursor.execute(f"INSERT INTO {_MARKS} {query}", values).fetchall()
        return int(count)

    def _rows(self, entry: TableEntry) -> list[Path]:
        """The files with an entry's rows."""
        if entry.table.id not in self._files:
            folder = self._folder / f"{len(self._files):04d}"
            files = fetch_chunks(self._repository, entry, folder) if entry.chunks else []
            for path in files:  # DuckDB may give rows back in another order
                rows = pq.read_table(path)
                pq.write_table(rows.append_column(_PLACE, pa.array(range(rows.num_rows), pa.int64())), path)
            self._files[entry.table.id] = files
        return self._files[entry.table.id]

    def _relation(self, entry: TableEntry) -> str:
        files = ", ".join(literal(str(path)) for path in self._rows(entry))
        return f"read_parquet([{files}], filename = '{_FILE}')"

    def _names_of_files(self, table: Table) -> Iterator[tuple[str, str]]:
        entry = self._entries[table.id]
        types = column_types(self._cursor, self._relation(entry)) if table.file_columns else {}
        for column, root in table.file_columns:
            name = text_value(column, types[column], entry.encodings.get(column, "native"), alias="r")
            found = self._cursor.execute(
                f"SELECT DISTINCT {name} FROM {self._relation(entry)} r JOIN {_MARKS} m"
                f" ON m.file = r.{identifier(_FILE)} AND m.place = r.{identifier(_PLACE)} AND m.action = 'delete' WHERE {name} <> ''"
            ).fetchall()
            yield from ((root, str(one)) for (one,) in found)

    def _rewritten(self, entry: TableEntry) -> TableEntry:
        """The entry without deleted rows, and with masked values and empty references."""
        marks = self._cursor.execute(
            f"SELECT file, place, action, what FROM {_MARKS} WHERE table_id = ? ORDER BY file, place", [entry.table.id]
        ).fetchall()
        touched = {name for _, _, action, what in marks for name in self._touched(entry, action, what)}
        in_order = keeps_its_order(entry, touched)
        blocks: list[Block] = []
        chunks: list[Chunk] = []
        kept: list[Path] = []
        rows_left = 0
        by_block = entry.chunks_by_block() if in_order else []
        for number, path in enumerate(self._rows(entry)):
            own = [(int(place), action, what) for file, place, action, what in marks if file == str(path)]
            rows = pq.read_table(path).drop_columns([_PLACE])
            if own:
                rows = self._changed(entry, rows, own)
            rows_left += rows.num_rows
            if not rows.num_rows:
                continue
            if not in_order:
                kept.append(path.with_suffix(".kept"))
                pq.write_table(rows, kept[-1])
                continue
            assert entry.blocks is not None
            block = entry.blocks[number]
            if own:
                names = [name for name in rows.column_names if name in (entry.types or {})]
                columns = hash_columns(rows.select(names), entry.encodings)
                block = Block(rows=rows.num_rows, first=block.first, columns=columns)
                changed = path.with_suffix(".changed")
                pq.write_table(rows.select(names), changed)
                made = [Chunk(object=self._repository.put_file(changed), rows=rows.num_rows, block=len(blocks))]
            else:
                made = [one.model_copy(update={"block": len(blocks)}) for one in by_block[number]]
            blocks.append(block)
            chunks += made
        if not rows_left:
            return emptied(entry)
        if not in_order:
            raw = RawTable(entry.table.id, rows_left, entry.encodings, tuple(kept))
            return stored_anew(self._workspace, self._repository, entry, raw, self._folder)
        proof = hash_table(blocks, own_columns(entry.table))
        state = entry.state.model_copy(update={"rows": rows_left, "proof": proof})
        return entry.model_copy(update={"state": state, "chunks": tuple(chunks), "blocks": tuple(blocks)})

    def _touched(self, entry: TableEntry, action: str, what: str) -> tuple[str, ...]:
        if action == "null":
            return _reference(entry.table, what).columns
        return tuple(column.name for column in self._columns[what]) if action == "mask" else ()

    def _changed(self, entry: TableEntry, rows: pa.Table, marks: Sequence[tuple[int, str, str]]) -> pa.Table:
        """A block's rows after what its marks say."""
        count = rows.num_rows
        for what in sorted({what for _, action, what in marks if action == "null"}):
            chosen = _places(count, [place for place, action, of in marks if action == "null" and of == what])
            reference = _reference(entry.table, what)
            for name in (*reference.columns, reference_column(reference.name)):
                if name in rows.column_names:
                    field = rows.schema.field(name)
                    empty = pc.if_else(chosen, pa.scalar(None, field.type), rows[name])
                    rows = rows.set_column(rows.schema.get_field_index(name), field, empty)
        for what in sorted({what for _, action, what in marks if action == "mask"}):
            chosen = _places(count, [place for place, action, of in marks if action == "mask" and of == what])
            rows = self._masked(entry, rows, self._columns[what], chosen)
        gone = [place for place, action, _ in marks if action == "delete"]
        return rows.filter(pc.invert(_places(count, gone))) if gone else rows

    def _masked(self, entry: TableEntry, rows: pa.Table, columns: Sequence[MaskedColumn], chosen: pa.Array) -> pa.Table:
        placed = rows.append_column(_PLACE, pa.array(range(rows.num_rows), pa.int64()))
        self._cursor.register("erasure_rows", placed)
        try:
            types = column_types(self._cursor, "erasure_rows")
            for column in columns:
                how = column_mask(entry.table, column, entry.encodings.get(column.name, "native"), types)
                made: pa.Table = self._cursor.execute(
                    f"SELECT {how.made} AS made FROM erasure_rows ORDER BY {identifier(_PLACE)}"
                ).to_arrow_table()
                field = rows.schema.field(column.name)
                new = made["made"].cast(field.type) if column.rule.kind != "null" else pa.nulls(len(rows), field.type)
                index = rows.schema.get_field_index(column.name)
                rows = rows.set_column(index, field, pc.if_else(chosen, new, rows[column.name]))
        finally:
            self._cursor.unregister("erasure_rows")
        return rows


def _places(count: int, places: Sequence[int]) -> pa.Array:
    """An array of booleans that is true at these places."""
    return pc.is_in(pa.array(range(count), pa.int64()), pa.array(sorted(set(places)), pa.int64()))


def _reference(table: Table, name: str) -> ForeignReference:
    found = next(one for one in table.references if one.name == name)
    assert isinstance(found, ForeignReference)
    return found


def _require_columns(erasure: Erasure, entry: TableEntry) -> None:
    """Refuse a snapshot in which a column that the erasure names has another name: its data would come back under that."""
    erased = erasure.erased
    missing = sorted({*erased.row, *erased.columns} - {column.name for column in entry.table.columns})
    if missing:
        raise CheckFailed(
            f"An erasure cannot be applied again: {entry.table.label} has no column {missing[0]} in this snapshot.",
            where=erasure.title,
            why="The column may have had another name then, and its data would come back.",
            fix="The live system is untouched. Restore a snapshot that has the column; or this one with --into and"
            " --without-erasures REASON, and erase again in the copy.",
        )


def _action(erasure: Erasure, entry: TableEntry, reference: ForeignReference) -> Action:
    return erasure.erased.references.get(f"{entry.table.id}.{reference.name}") or _default(entry.table, reference)


def _default(table: Table, reference: ForeignReference) -> Action:
    """What becomes of rows of a reference that the EDMS did not have when the erasure was recorded."""
    return "null" if all(table.column(name).nullable for name in reference.columns) else "delete"
