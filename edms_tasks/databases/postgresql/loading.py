"""Load rows into PostgreSQL by COPY: in binary format if every column of a table has an exact binary form, otherwise as CSV.

The server reads binary fields without parsing them, and Arrow is encoded as binary an order of magnitude faster than as CSV
(docs/performance.md). A type has a binary form here only if PostgreSQL documents it and it is exact. Of some types only most values
have one (`binary_values.py`): a chunk with others, such as NaN, is loaded as CSV.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pgpq
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from edms_tasks.databases.postgresql.binary_values import BINARY_TYPES, binary_values
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
    form = _binary_form(columns, encodings)
    if form is not None and not form.made:
        with cursor.copy((target + f"(FORMAT binary{freeze})").encode()) as stream:
            for block in _binary_blocks(chunks, form):
                stream.write(block)
        return cursor.rowcount
    loaded = 0
    for chunk in chunks:
        made = _made_values(chunk, form) if form is not None else None
        if form is not None and made is not None:
            written, blocks = f"(FORMAT binary{freeze})", _binary_blocks([chunk], form, made)
        else:
            written, blocks = f"(FORMAT csv, NULL ''{freeze})", _csv_blocks(chunk, columns, encodings)
        with cursor.copy((target + written).encode()) as stream:
            for block in blocks:
                stream.write(block)
        loaded += cursor.rowcount
    return loaded


@dataclass(frozen=True)
class _BinaryForm:
    """How a table's columns become binary.

    Args:
        names: all columns, in their order.
        selected: for those that a query gives: SQL, and the Arrow type for pgpq.
        made: for all others the name of the type, by which `binary_values` makes them of their text.
    """

    names: tuple[str, ...]
    selected: Mapping[str, tuple[str, pa.DataType]]
    made: Mapping[str, str]

    def schema(self, made: Mapping[str, pa.Array]) -> pa.Schema:
        """The schema for pgpq, with the values that were made."""
        kinds = {name: kind for name, (_, kind) in self.selected.items()} | {n: its.type for n, its in made.items()}
        return pa.schema([(name, kinds[name]) for name in self.names])


def _binary_form(columns: Sequence[Column], encodings: dict[str, Encoding]) -> _BinaryForm | None:
    """The binary form of a table's columns; None if a column has no exact one."""
    selected: dict[str, tuple[str, pa.DataType]] = {}
    made: dict[str, str] = {}
    for column in columns:
        base = base_of(column.native_type)
        if encodings[column.name] == "native" and column.native_type in NATIVE:
            selected[column.name] = "{0}", NATIVE[column.native_type]
        elif base in _FROM_TEXT:
            selected[column.name] = _FROM_TEXT[base], pa.binary() if base in ("uuid", "jsonb") else pa.string()
        elif base in BINARY_TYPES and encodings[column.name] != "native":
            made[column.name] = base
        else:
            return None
    return _BinaryForm(tuple(column.name for column in columns), selected, made)


def _made_values(chunk: Path, form: _BinaryForm) -> dict[str, pa.Array] | None:
    """The columns of a chunk that no query gives, in their binary form; None if a value has none."""
    with pq.ParquetFile(chunk) as file:
        texts = file.read(columns=list(form.made))
    found = {}
    for name, base in form.made.items():
        values = binary_values(base, texts[name].combine_chunks())
        if values is None:
            return None
        found[name] = values
    return found


def _binary_blocks(
    chunks: Iterable[Path], form: _BinaryForm, made: Mapping[str, pa.Array] = MappingProxyType({})
) -> Iterator[bytes]:
    """The rows as blocks of binary COPY; `made` are the values of the columns that no query gives, if there is but one chunk."""
    schema = form.schema(made)
    encoder = pgpq.ArrowToPostgresBinaryEncoder(schema)
    yield encoder.write_header()
    selected = [f"{sql.format(identifier(name))} AS {identifier(name)}" for name, (sql, _) in form.selected.items()]
    with reading() as engine:
        for chunk in chunks:
            source = f"SELECT {', '.join(selected or ['0 AS nothing'])} FROM read_parquet({literal(str(chunk))})"
            begin = 0
            for batch in engine.sql(source).to_arrow_reader(_BATCH_ROWS):
                here = {name: values.slice(begin, batch.num_rows) for name, values in made.items()}
                arrays = [here[name] if name in here else batch.column(name) for name in form.names]
                begin += batch.num_rows
                yield encoder.write_batch(pa.RecordBatch.from_arrays(arrays, names=list(form.names)).cast(schema))
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
