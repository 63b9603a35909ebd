"""Compare one table of two states: from raw rows with identities to their differences."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from edms_tasks.comparing.comparison_result import RowDifference, TableDifference
from edms_tasks.comparing.hashed_rows import HashedRows, write_hashes
from edms_tasks.comparing.row_details import write_details
from edms_tasks.comparing.row_pairs import Pairs, pair_rows
from edms_tasks.errors import CheckFailed
from edms_tasks.identifying.sides import Side
from edms_tasks.inventory.model import NaturalKey, Table
from edms_tasks.manifest import TableEntry
from edms_tasks.redaction import Redaction


def compare_table(
    table: Table,
    first: Side,
    second: Side,
    redaction: Redaction,
    folder: Path,
    *,
    limit: int,
    out: Path | None,
    shared_ids: bool = True,
) -> TableDifference:
    """Compare the rows of a table.

    Args:
        table: what both sides have of it.
        first: one side, with identities.
        second: the other.
        redaction: what may be shown.
        folder: for temporary files; gone afterwards.
        limit: how many rows of each kind come with the result.
        out: a file to which all that differ are written as JSON, one a line.
        shared_ids: whether the two sides are of one database, so that an id means the same row in both.
    """
    folder.mkdir(parents=True)
    before = write_hashes(first, second, table, folder / "first.parquet")
    after = write_hashes(second, first, table, folder / "second.parquet")
    columns: dict[str, int] = {}
    rows: tuple[RowDifference, ...] = ()
    with first.workspace.cursor() as cursor:
        pairs = pair_rows(cursor, before, after, folder / "pairs.parquet", shared_ids=shared_ids)
        if pairs.changed or pairs.removed or pairs.added:
            few = limit if out is None else None
            details = write_details(before, after, pairs, redaction, folder / "details", limit=few)
            columns, rows = details.columns(cursor), details.rows(cursor, limit)
            if out is not None:
                details.write_lines(cursor, out)
    _require_sums(table, before, after, pairs)
    shutil.rmtree(folder)
    keys = [side.keys.keys[table.id] for side in (first, second)]
    by_content = keys[0].natural_key is None or keys[0].natural_key.source == "content"
    return TableDifference(
        table_id=table.id,
        model=table.label,
        natural_key="" if by_content else _readable(keys[0].natural_key),
        first_rows=before.rows,
        second_rows=after.rows,
        added=pairs.added,
        removed=pairs.removed,
        changed=pairs.changed,
        same=before.rows - pairs.removed - pairs.changed - pairs.other_ids,
        other_ids=pairs.other_ids,
        doubled=0 if by_content else max(key.duplicates for key in keys),
        columns=columns,
        rows=rows,
        read=True,
    )


def _require_sums(table: Table, before: HashedRows, after: HashedRows, pairs: Pairs) -> None:
    """Every row of each side was read, and is in one pair or alone."""
    both = (before.rows - pairs.removed, after.rows - pairs.added)
    if not (
        before.hashed == before.rows
        and after.hashed == after.rows
        and both[0] == both[1] >= pairs.changed + pairs.other_ids
    ):
        raise CheckFailed(
            f"{table.label}: the rows cannot be matched one to one.",
            where=table.id,
            why=f"{before.rows} and {after.rows} rows ({before.hashed} and {after.hashed} read); {pairs.removed} removed, "
            f"{pairs.added} added, {pairs.changed} changed, {pairs.other_ids} with other ids",
            fix="Please report this. The comparison was stopped.",
        )


def same_table(entry: TableEntry, key: NaturalKey | None, *, read: bool) -> TableDifference:
    """The result for a table that is known to be equal. `read`: whether its rows were read and proved, or not at all."""
    rows = entry.state.rows
    return TableDifference(
        table_id=entry.table.id,
        model=entry.table.label,
        natural_key=_readable(key),
        first_rows=rows,
        second_rows=rows,
        added=0,
        removed=0,
        changed=0,
        same=rows,
        other_ids=0,
        doubled=entry.state.key_duplicates if key is not None else 0,
        columns={},
        rows=(),
        read=read,
    )


def list_name(number: int, label: str) -> str:
    """The name of a file with a list; labels may hold anything, names of files may not."""
    return f"{number:03d}-{re.sub(r'[^A-Za-z0-9_.-]', '_', label)[:80]}.jsonl"


def _readable(key: NaturalKey | None) -> str:
    return "" if key is None else key.readable or ", ".join(".".join(path) for path in key.paths)
