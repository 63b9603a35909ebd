"""Mask the rows of a table: new chunks with pseudonyms, and the entry that the copy must equal.

Where the order of the rows stays, each block keeps the snapshot's own hashes of all columns that are not masked: what the copy holds in
them is compared with what the backup recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.chunks.stored_anew import keeps_its_order, stored_anew
from edms_tasks.chunks.stored_chunks import fetch_chunks
from edms_tasks.errors import CheckFailed
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Block, Chunk, ReferenceState, TableEntry
from edms_tasks.masking.column_masks import column_mask, subject_of
from edms_tasks.masking.mask_plan import MaskedColumn, TableMask
from edms_tasks.masking.paths_that_lead import PathsThatLead
from edms_tasks.masking.pseudonyms import MaskKey, keyed_cursor
from edms_tasks.proof.block_hash import hash_columns, hash_table
from edms_tasks.proof.table_proof import own_columns
from edms_tasks.quoting import identifier, literal
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace, column_types

_PLACE = "@place"


@dataclass(frozen=True)
class MaskedTable:
    """A masked table.

    Args:
        measured: the entry that the rows of the copy must equal, without the columns that the database computes.
        staged: the same with them, as the table is created.
        like: a file with the columns' forms, in which the rows of the copy are read back; None if there are no rows.
        originals: column -> Parquet files with `value` (what the column held) and `masked` (what it holds now), as texts, and `prose`
            (whether it is free text).
    """

    measured: TableEntry
    staged: TableEntry
    like: RawTable | None
    originals: dict[str, tuple[Path, ...]]


def mask_rows(workspace: Workspace, repository: Repository, key: MaskKey, mask: TableMask, folder: Path) -> MaskedTable:
    """Mask the rows of a table.

    Args:
        workspace: where to compute; has the functions of `mask_functions`.
        repository: takes the new chunks; not the repository of the snapshot.
        key: the copy's secret.
        mask: the table and its masked columns.
        folder: created; the files of original values stay there.

    Raises:
        CheckFailed: a value cannot be masked, or different values would become equal where a key needs them to be different.
    """
    entry = mask.entry
    kept = without_columns(entry.table, mask.computed)
    names = own_columns(kept)
    originals: dict[str, list[Path]] = {column.name: [] for column in mask.columns}
    blocks: list[Block] = []
    chunks: list[Chunk] = []
    files: list[Path] = []
    like = None
    led = PathsThatLead(entry.table)
    in_order = keeps_its_order(entry, {*(column.name for column in mask.columns), *mask.computed})
    for number, path in enumerate(fetch_chunks(repository, entry, folder / "chunks")):
        rows = pq.read_table(path)
        if like is None:  # a column of which only NULLs are left would be read in another form
            like = RawTable(entry.table.id, 0, entry.encodings, (folder / "like.parquet",))
            pq.write_table(rows.slice(0, 0).select(own_columns(entry.table)), like.files[0])
        rows = rows.select(names)
        rows = _masked(workspace, key, mask, rows, folder, f"{number:06d}", originals, led)
        path.unlink()
        pq.write_table(rows, path, row_group_size=max(1024, rows.num_rows // 4))
        if in_order:
            assert entry.blocks is not None
            changed = hash_columns(rows.select([column.name for column in mask.columns]), entry.encodings)
            was = entry.blocks[number]
            columns = {name: changed.get(name, was.columns[name]) for name in names}
            blocks.append(Block(rows=was.rows, first=was.first, columns=columns))
            chunks.append(Chunk(object=repository.put_file(path), rows=was.rows, block=number))
            path.unlink()
        else:
            files.append(path)
    led.require_all()
    found = {name: tuple(paths) for name, paths in originals.items()}
    for column in mask.columns:
        if (
            column.unique and column.rule.kind != "shift"
        ):  # the same day of two people: the database checks keys with days
            _require_distinct(workspace, entry.table, column, found[column.name])
    # Without an encoding, a computed column does not come with the rows: the database computes it from what it gets.
    encodings = {name: how for name, how in entry.encodings.items() if name not in mask.computed}
    bare = entry.model_copy(update={"table": kept, "encodings": encodings})
    if in_order:
        state = entry.state.model_copy(update={"proof": hash_table(blocks, names)})
        types = {name: kind for name, kind in (entry.types or {}).items() if name in names}
        new = {"state": state, "chunks": tuple(chunks), "blocks": tuple(blocks), "types": types}
        measured = bare.model_copy(update=new)
    elif files:
        raw = RawTable(entry.table.id, entry.state.rows, entry.encodings, tuple(files))
        measured = stored_anew(workspace, repository, bare, raw, folder)
        for path in files:
            path.unlink()
    else:
        measured = emptied(bare)
    return MaskedTable(measured, measured.model_copy(update={"table": entry.table}), like, found)


def emptied(entry: TableEntry) -> TableEntry:
    """The entry of a table whose rows are left out."""
    return entry.model_copy(
        update={
            "state": entry.state.model_copy(
                update={
                    "rows": 0,
                    "proof": hash_table([], ()),
                    "exact_digest": None,
                    "content_digest": None,
                    "key_nulls": 0,
                    "key_duplicates": 0,
                    "references": tuple(
                        ReferenceState(name=one.name, filled=0, dangling=0) for one in entry.state.references
                    ),
                }
            ),
            "chunks": (),
            "blocks": (),
            "ordered_by": entry.ordered_by or (),
            "types": entry.types or {},
        }
    )


def without_columns(table: Table, names: Sequence[str]) -> Table:
    """The table without some of its columns."""
    return table.model_copy(update={"columns": tuple(column for column in table.columns if column.name not in names)})


def _masked(
    workspace: Workspace,
    key: MaskKey,
    mask: TableMask,
    rows: pa.Table,
    folder: Path,
    part: str,
    originals: dict[str, list[Path]],
    led: PathsThatLead,
) -> pa.Table:
    """A block's rows with masked columns; adds the files with its original values, and the paths that lead somewhere."""
    table = mask.entry.table
    used = {
        *(column.name for column in mask.columns),
        *subject_of(table),
        *(one.rule.by for one in mask.columns if one.rule.by),
    }
    needed = rows.select([name for name in rows.column_names if name in used])
    needed = needed.append_column(_PLACE, pa.array(range(rows.num_rows), pa.int64()))
    with keyed_cursor(workspace, key) as cursor:
        cursor.register("masked_rows", needed)
        try:
            types = column_types(cursor, "masked_rows")
            masks = [
                column_mask(table, column, mask.entry.encodings.get(column.name, "native"), types)
                for column in mask.columns
            ]
            for number, (column, how) in enumerate(zip(mask.columns, masks, strict=True)):
                path = folder / f"originals-{number}-{part}.parquet"
                cursor.execute(_WRITE_ORIGINALS.format(how=how, path=literal(str(path))))
                originals[column.name].append(path)
                led.look(cursor, "masked_rows", column, how)
            made = ", ".join(
                f"{how.made} AS {identifier(column.name)}" for column, how in zip(mask.columns, masks, strict=True)
            )
            found: pa.Table = cursor.execute(
                f"SELECT {made} FROM masked_rows ORDER BY {identifier(_PLACE)}"
            ).to_arrow_table()
        except duckdb.Error as error:
            # Its message may quote a value.
            raise _unmaskable(table, mask.columns, f"DuckDB raised {type(error).__name__}") from None
        finally:
            cursor.unregister("masked_rows")
    for column in mask.columns:
        was, now = rows[column.name], found[column.name]
        field = rows.schema.field(column.name)
        if column.rule.kind == "null":
            now = pa.nulls(rows.num_rows, field.type)
        elif now.null_count != was.null_count:
            raise _unmaskable(
                table,
                [column],
                f"{abs(now.null_count - was.null_count):,} values are not what the kind {column.what!r} is for",
            )
        rows = rows.set_column(rows.schema.get_field_index(column.name), field, now.cast(field.type))
    return rows


_WRITE_ORIGINALS = (
    "COPY (SELECT value, masked, bool_and(prose) AS prose FROM ("
    "SELECT unnest({how.original}) AS value, {how.shown} AS masked, false AS prose FROM masked_rows UNION ALL "
    "SELECT unnest({how.prose}), {how.shown}, true FROM masked_rows"
    ") WHERE value IS NOT NULL GROUP BY ALL) TO {path} (FORMAT parquet)"
)


def _unmaskable(table: Table, columns: Sequence[MaskedColumn], why: str) -> CheckFailed:
    return CheckFailed(
        f"The values of {', '.join(f'{table.label}.{column.name}' for column in columns)} cannot be masked.",
        where="the masking rules",
        why=f"{why}.",
        fix="The live system is untouched. Choose another kind (docs/masking.md), such as null or constant.",
    )


def _require_distinct(workspace: Workspace, table: Table, column: MaskedColumn, files: Sequence[Path]) -> None:
    if not files:
        return
    source = ", ".join(literal(str(path)) for path in files)
    with workspace.cursor() as cursor:
        ((values, masked),) = cursor.execute(
            f"SELECT count(DISTINCT value), count(DISTINCT masked) FROM read_parquet([{source}])"
        ).fetchall()
    if values != masked:
        room = f" It has room for {column.limit} characters." if column.limit is not None else ""
        raise CheckFailed(
            f"{table.label}.{column.name} is part of a key, and {values - masked:,} of its {values:,} values would not stay different.",
            where="the masking rules",
            why=f"The kind {column.what!r} gives different values equal pseudonyms.{room}",
            fix="The live system is untouched. Use the kind hash; in a narrow column, run it again: the key is another each time.",
        )
