"""Cut a stream of Arrow tables into pieces of a given number of rows, holding no more than one piece and one batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def rechunked(tables: Iterable[pa.Table], schema: pa.Schema, rows: int) -> Iterator[pa.Table]:
    """Tables of exactly `rows` rows, the last one possibly shorter; nothing for an empty stream."""
    held: list[pa.Table] = []
    count = 0
    for table in tables:
        while table.num_rows:
            take = min(rows - count, table.num_rows)
            held.append(table.slice(0, take))
            table = table.slice(take)
            count += take
            if count == rows:
                yield pa.concat_tables(held).combine_chunks()
                held, count = [], 0
    if held:
        yield pa.concat_tables(held).combine_chunks()
