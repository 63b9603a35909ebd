"""Cut a stream of Arrow tables into pieces limited in rows and bytes. At most one piece and one batch are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

PIECE_BYTES = 8 << 20
"""The uncompressed size of a piece. Pieces of wide rows have fewer rows, so that memory is bounded."""


def rechunked(tables: Iterable[pa.Table], schema: pa.Schema, rows: int, size: int | None = None) -> Iterator[pa.Table]:
    """Tables of `rows` rows, the last one possibly shorter; nothing for an empty stream.

    With `size`, a piece ends after the batch with which it reaches that number of bytes.
    """
    held: list[pa.Table] = []
    count = weight = 0
    for table in tables:
        while table.num_rows:
            take = min(rows - count, table.num_rows)
            held.append(table.slice(0, take))
            table = table.slice(take)
            count += take
            weight += held[-1].nbytes
            if count == rows or (size is not None and weight >= size):
                yield pa.concat_tables(held).combine_chunks()
                held, count, weight = [], 0, 0
    if held:
        yield pa.concat_tables(held).combine_chunks()
