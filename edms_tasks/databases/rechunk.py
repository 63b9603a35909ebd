"""Cut a stream of Arrow tables into pieces bounded in rows and bytes, holding no more than one piece and one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

PIECE_BYTES = 8 << 20
"""Uncompressed. Wide rows make shorter pieces, so that memory is bounded whatever they hold."""


def rechunked(tables: Iterable[pa.Table], schema: pa.Schema, rows: int, size: int | None = None) -> Iterator[pa.Table]:
    """Tables of `rows` rows, the last one possibly shorter; nothing for an empty stream.

    A piece ends sooner, at the end of the batch that makes it so, once it holds `size` bytes.
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
