"""What the previous snapshot stored of a table, so that only blocks with changes are stored again, and of these only changed rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from edms_tasks.chunks.stored_chunks import chunk_rows
from edms_tasks.errors import DamagedRepository
from edms_tasks.inventory.model import Table
from edms_tasks.manifest import Block, Chunk, Encoding, Manifest, TableEntry
from edms_tasks.proof.table_proof import types_of
from edms_tasks.repository import Repository


@dataclass(frozen=True)
class Previous:
    """The previous snapshot."""

    snapshot_id: str
    manifest: Manifest

    def find(
        self, repository: Repository, table: Table, encodings: Mapping[str, Encoding], scratch: Path
    ) -> StoredTable | None:
        """The stored rows of a table; None if there are none whose blocks can be compared with those of now."""
        entry = next((entry for entry in self.manifest.tables if entry.table.id == table.id), None)
        if entry is None or not entry.blocks or not _is_comparable(entry, table, encodings):
            return None
        return StoredTable(entry, repository, scratch)


@dataclass(frozen=True)
class StoredTable:
    """The blocks of a table in the previous snapshot. `scratch` is a folder for chunks that are read again."""

    entry: TableEntry
    repository: Repository
    scratch: Path

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks, in their order."""
        return self.entry.blocks or ()

    def has_form(self, schema: pa.Schema, ordered_by: tuple[str, ...]) -> bool:
        """Whether rows of this schema, in this order, would have been stored in the same columns and types."""
        return types_of(schema) == self.entry.types and ordered_by == self.entry.ordered_by

    @cached_property
    def chunks(self) -> list[tuple[Chunk, ...]]:
        """The chunks of each block."""
        return self.entry.chunks_by_block()

    def place_of(self, block: Block, place: int | None) -> int | None:
        """The number of the stored block with the same rows, or else `place`, if there is such a block; otherwise None."""
        if place is not None and place < len(self.blocks):
            return place
        return next((number for number, one in enumerate(self.blocks) if one.columns == block.columns), None)

    def require_chunks(self, block: int) -> None:
        """Check that all objects of a block are there with the right size; their bytes are not read. Raises DamagedRepository."""
        for chunk in self.chunks[block]:
            for ref in (chunk.object, chunk.superseded):
                if ref is not None and not self.repository.has(ref):
                    raise DamagedRepository("Some of its objects are missing.", where=ref.sha256)

    def rows_of(self, block: int, columns: Sequence[str] | None = None) -> list[tuple[pa.Table, npt.NDArray[np.int32]]]:
        """For each chunk of a block its rows that are not superseded, and their row numbers in it. Raises DamagedRepository.

        `columns`: only these; None: all.
        """
        self.scratch.mkdir(parents=True, exist_ok=True)
        return [chunk_rows(self.repository, chunk, self.scratch, columns) for chunk in self.chunks[block]]


def _is_comparable(entry: TableEntry, table: Table, encodings: Mapping[str, Encoding]) -> bool:
    """Whether chunks of then and now have the same own columns with the same meaning."""
    then, now = (
        t.model_copy(update={"key_candidates": (), "unique_rules": (), "deferred_uniques": (), "computed": ()})
        for t in (entry.table, table)
    )
    return then == now and entry.encodings == encodings
