"""Load rows into PostgreSQL by COPY: in binary format if every column of a table has an exact binary form, otherwise as CSV.

The server reads binary fields without parsing them, and Arrow is encoded as binary an order of magnitude faster than as CSV
(docs/performance.md). A type has a binary form here only if PostgreSQL documents it and it is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pgpq
import psycopg
import pyarrow as pa

from edms_tasks.databases.postgresql.type_encodings import NATIVE, base_of
from edms_tasks.inventory.model import Column
from edms_tasks.manifest import Encoding
from edms_tasks.quoting import identifier, identifiers, literal
from edms_tasks.scratch.parquet_reading import reading

_COPY_BLOCK = 1 << 20
_BATCH_ROWS = 16_384

# For values that a snapshot stores as text: SQL that makes of it what the type's receive function expects.
# src/backend/utils/adt: textrecv, json_recv, bpcharrecv and enum_recv take the text itself; uuid_recv 16 bytes;
# jsonb_recv one byte with the version of the format, 1, and then the text.
_FROM_TEXT = {
    "text": "{0}",
    "character varying": "{0}",
    "character": "{0}",
    "bpchar": "{0}",  # the name of `character` without a length
    "json": "{0}",
    "uuid": "unhex(replace({0}, '-', ''))",
    "jsonb": "'\\x01'::BLOB || encode({0})",
}


def copy_table(
    cursor: psycopg.Cursor[tuple[object, ...]],
    columns: Sequence[Column],
    name: str,
    encodings: dict[str, Encoding],
    chunks: Sequence[Path],
    *,
    frozen: bool,
) -> int:
    """COPY Parquet chunks into a table; returns the number of rows that PostgreSQL reports.

    Args:
        cursor: a cursor of the transaction.
        columns: the columns to write.
        name: the table's quoted name.
        encodings: the columns' encodings in the chunks.
        chunks: the Parquet files.
        frozen: whether the table was created or truncated in this transaction, so that COPY FREEZE is possible.
    """
    target = f"COPY {name} ({identifiers(column.name for column in columns)}) FROM STDIN WITH "
    freeze = ", FREEZE" if frozen else ""
    binary = _binary_form(columns, encodings)
    if binary is not None:
        with cursor.copy((target + f"(FORMAT binary{freeze})").encode()) as stream:
            for block in _binary_blocks(chunks, *binary):
                stream.write(block)
        return cursor.rowcount
    loaded = 0
    for chunk in chunks:
        with cursor.copy((target + f"(FORMAT csv, NULL ''{freeze})").encode()) as stream:
            for block in _csv_blocks(chunk, columns, encodings):
                stream.write(block)
        loaded += cursor.rowcount
    return loaded


def _binary_form(columns: Sequence[Column], encodings: dict[str, Encoding]) -> tuple[list[str], pa.Schema] | None:
    """SELECT expressions and the Arrow schema for pgpq; None if a column has no exact binary form."""
    expressions: list[str] = []
    fields: list[tuple[str, pa.DataType]] = []
    for column in columns:
        base = base_of(column.native_type)
        if encodings[column.name] == "native" and column.native_type in NATIVE:
            expression, kind = "{0}", NATIVE[column.native_type]
        elif base in _FROM_TEXT:
            expression, kind = _FROM_TEXT[base], pa.binary() if base in ("uuid", "jsonb") else pa.string()
        else:
            return None
        quoted = identifier(column.name)
        expressions.append(f"{expression.format(quoted)} AS {quoted}")
        fields.append((column.name, kind))
    return expressions, pa.schema(fields)


def _binary_blocks(chunks: Iterable[Path], expressions: Sequence[str], schema: pa.Schema) -> Iterator[bytes]:
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    yield encoder.write_header()
    with reading() as engine:
        for chunk in chunks:
            source = f"SELECT {', '.join(expressions)} FROM read_parquet({literal(str(chunk))})"
            for batch in engine.sql(source).to_arrow_reader(_BATCH_ROWS):
                yield encoder.write_batch(batch.cast(schema))
    yield encoder.finish()


def _csv_blocks(chunk: Path, columns: Sequence[Column], encodings: dict[str, Encoding]) -> Iterator[bytes]:
    """The rows in COPY's CSV dialect: NULL is an empty field, the empty string is `""`."""
    expressions = ", ".join(
        f"{_as_csv(column, encodings[column.name])} AS {identifier(column.name)}" for column in columns
    )
    # A line `\\.` would end the stream; with one column, every value is quoted to prevent it.
    quoting = ", FORCE_QUOTE *" if len(columns) == 1 else ""
    csv = chunk.with_suffix(".csv")
    with reading() as engine:
        engine.execute(
            f"COPY (SELECT {expressions} FROM read_parquet({literal(str(chunk))})) TO {literal(str(csv))} "
            f"(FORMAT csv, HEADER false, NULLSTR '', COMPRESSION none{quoting})"
        )
    with csv.open("rb") as source:
        while block := source.read(_COPY_BLOCK):
            yield block
    csv.unlink()


def _as_csv(column: Column, encoding: Encoding) -> str:
    name = identifier(column.name)
    if column.native_type == "bytea" and encoding == "native":
        return f"'\\x' || lower(hex({name}))"
    return name
