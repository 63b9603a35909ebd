"""Store rows anew: cut into blocks, hashed and put into a repository, as if they were backed up for the first time."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import pyarrow.parquet as pq

from edms_tasks.manifest import Block, Chunk, TableEntry
from edms_tasks.proof.block_hash import hash_table
from edms_tasks.proof.table_proof import cut_anew, ordering_of, own_columns, types_of
from edms_tasks.repository import Repository
from edms_tasks.scratch.raw_table import RawTable
from edms_tasks.scratch.workspace import Workspace


def keeps_its_order(entry: TableEntry, changed: Set[str]) -> bool:
    """Whether the rows stay in their blocks if these columns change: none is of the key by which they are ordered."""
    return entry.blocks is not None and bool(entry.ordered_by) and changed.isdisjoint(entry.ordered_by or ())


def stored_anew(
    workspace: Workspace, repository: Repository, entry: TableEntry, raw: RawTable, folder: Path
) -> TableEntry:
    """An entry for these rows; its chunks are stored in the repository, and the counts of keys and references stay the entry's.

    Args:
        workspace: where to compute.
        repository: takes the chunks; not the repository of the snapshot.
        entry: the table in the snapshot.
        raw: its rows, at least one.
        folder: for temporary files; exists.
    """
    ordered_by = ordering_of(entry.table, raw, workspace)
    blocks: list[Block] = []
    chunks: list[Chunk] = []
    for rows, block in cut_anew(entry.table, raw, ordered_by, workspace):
        path = folder / "block.parquet"
        pq.write_table(rows, path)
        chunks.append(Chunk(object=repository.put_file(path), rows=block.rows, block=len(blocks)))
        blocks.append(block)
    proof = hash_table(blocks, own_columns(entry.table))
    state = {"proof": proof, "exact_digest": None, "content_digest": None, "rows": sum(block.rows for block in blocks)}
    return entry.model_copy(
        update={
            "state": entry.state.model_copy(update=state),
            "chunks": tuple(chunks),
            "blocks": tuple(blocks),
            "ordered_by": ordered_by,
            "types": types_of(pq.read_schema(raw.files[0])),
        }
    )
