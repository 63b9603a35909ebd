"""Split a table's files so that comparing documents by meaning fits into memory.

The canonical form of a JSON document, and the list of its nodes that it is made of, take many times the document's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from edms_tasks.conversion.kinds import kind_of
from edms_tasks.conversion.table_pairs import TablePair
from edms_tasks.quoting import identifier, literal
from edms_tasks.scratch.workspace import AS_PARQUET, column_types

PIECE_BYTES = 1 << 20
"""The most bytes of documents in a piece; a larger document is a piece of its own."""
_NUMBER = "file_row_number"  # DuckDB's name for the position of a row in a Parquet file


def split_documents(cursor: duckdb.DuckDBPyConnection, pair: TablePair, files: Sequence[Path]) -> list[Path]:
    """Replace each Parquet file whose documents are larger than a piece by files of one piece each, in the order of the rows."""
    names = []
    for column in pair.columns():
        kind = kind_of(column.postgresql.native_type)
        if kind is not None and kind.canonical is not None:
            names.append(column.sqlite.name)
    return [piece for file in files for piece in _split(cursor, names, file)] if names else [*files]


def _split(cursor: duckdb.DuckDBPyConnection, names: Sequence[str], file: Path) -> list[Path]:
    kinds = column_types(cursor, f"read_parquet({literal(str(file))})")
    if _NUMBER in (name.lower() for name in kinds):
        return [file]  # a column of this name hides the position
    sizes = " + ".join(f"coalesce({_size(name, kinds[name])}, 0)" for name in names)
    bounds = cursor.execute(
        f"""
        SELECT min({_NUMBER}), max({_NUMBER})
        FROM (SELECT {_NUMBER}, (sum(size) OVER (ORDER BY {_NUMBER}) - size) // {PIECE_BYTES} AS piece
              FROM (SELECT {_NUMBER}, {sizes} AS size FROM {_numbered(file)}))
        GROUP BY piece ORDER BY 1
        """
    ).fetchall()
    if len(bounds) <= 1:
        return [file]
    pieces = []
    for number, (first, last) in enumerate(bounds):
        pieces.append(file.with_name(f"{file.stem}.{number:06d}.parquet"))
        cursor.execute(
            f"COPY (SELECT * EXCLUDE ({_NUMBER}) FROM {_numbered(file)} WHERE {_NUMBER} BETWEEN {int(first)} AND {int(last)} "
            f"ORDER BY {_NUMBER}) TO {literal(str(pieces[-1]))} {AS_PARQUET}"
        )
    file.unlink()
    return pieces


def _numbered(file: Path) -> str:
    return f"read_parquet({literal(str(file))}, {_NUMBER} = true)"


def _size(name: str, kind: str) -> str:
    if kind == "VARCHAR":
        return f"strlen({identifier(name)})"
    return f"octet_length({identifier(name)})" if kind == "BLOB" else "0"
