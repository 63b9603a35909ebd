"""The hash of a block of rows: one SHA-256 for each column over its Arrow buffers in one form, and one over these.

A table's hash covers the hashes of its blocks. `docs/format.md` specifies the bytes. Equal hashes mean equal rows in the same order: types,
NULLs and every bit of every value count. The hashes of a block's columns show which columns of which rows differ.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from edms_tasks.manifest import Block, Encoding

_FIXED: dict[str, type[np.unsignedinteger]] = {
    "int16": np.uint16,
    "int32": np.uint32,
    "int64": np.uint64,
    "float": np.uint32,
    "double": np.uint64,
    "date32[day]": np.uint32,
    "timestamp[us]": np.uint64,
    "timestamp[us, tz=UTC]": np.uint64,
}
"""Arrow type -> unsigned integers of its width: a float's bits are hashed as they are."""

_VARIABLE = ("string", "binary")


def hash_columns(rows: pa.Table, encodings: Mapping[str, Encoding]) -> dict[str, str]:
    """Column -> the SHA-256 of its values, in the order in which the rows stand.

    Args:
        rows: the rows of a block.
        encodings: column -> how its values are encoded; a column that is not in it is `native`.

    Raises:
        TypeError: a column has a type that no chunk has.
    """
    return {
        name: _hash_column(column, encodings.get(name, "native")).hex()
        for name, column in zip(rows.column_names, rows.columns, strict=True)
    }


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    """The columns whose hashes differ, or that only one side has."""
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def hash_block(block: Block, names: Sequence[str]) -> bytes:
    """The SHA-256 over the hashes of the columns `names`, in that order."""
    parts = [b"edms-backup/block", struct.pack("<QI", block.rows, len(names))]
    for name in names:
        parts += [struct.pack("<I", len(name.encode())), name.encode(), bytes.fromhex(block.columns[name])]
    return hashlib.sha256(b"".join(parts)).digest()


def hash_table(blocks: Sequence[Block], names: Sequence[str]) -> str:
    """The proof of a table: the SHA-256 over the hashes of its blocks, each over the columns `names`."""
    parts = [b"edms-backup/table", struct.pack("<QQ", sum(block.rows for block in blocks), len(blocks))]
    return hashlib.sha256(b"".join([*parts, *(hash_block(block, names) for block in blocks)])).hexdigest()


EMPTY_PROOF = hash_table([], ())
"""The proof of any table without rows."""


def _hash_column(column: pa.ChunkedArray, encoding: Encoding) -> bytes:
    """SHA-256 over the type, the number of values, their validity, and the values; NULL is hashed as zeros or as no bytes."""
    kind = str(column.type)
    tag = f"{encoding} {kind}".encode()
    found = hashlib.sha256(struct.pack("<I", len(tag)) + tag + struct.pack("<Q", len(column)))
    valid = _joined([chunk.is_valid().to_numpy(zero_copy_only=False) for chunk in column.chunks])
    found.update(_bits(valid))
    if kind == "bool":
        flags = [pc.fill_null(chunk, False).to_numpy(zero_copy_only=False) for chunk in column.chunks]
        found.update(_bits(_joined(flags)))
    elif kind in _FIXED:
        for chunk in column.chunks:
            found.update(_fixed(chunk, _FIXED[kind]))
    elif kind in _VARIABLE:
        # The lengths of all values stand before their bytes.
        parts = [_variable(chunk) for chunk in column.chunks]
        for lengths, _ in parts:
            found.update(lengths)
        for _, values in parts:
            found.update(values)
    else:
        raise TypeError(f"{kind} is not the type of a column of a chunk")
    return found.digest()


def _joined(arrays: list[npt.NDArray[np.bool_]]) -> npt.NDArray[np.bool_]:
    return np.concatenate(arrays) if arrays else np.zeros(0, np.bool_)


def _bits(values: npt.NDArray[np.bool_]) -> bytes:
    """Eight values a byte, the first in the lowest bit; the last byte is filled with zeros."""
    return np.packbits(values, bitorder="little").tobytes()


def _fixed(values: pa.Array, width: type[np.unsignedinteger]) -> memoryview:
    data = values.buffers()[1]
    if data is None:  # no values at all
        return memoryview(b"")
    found = np.frombuffer(data, width)[values.offset : values.offset + len(values)]
    if values.null_count:
        found = np.where(values.is_valid().to_numpy(zero_copy_only=False), found, width(0))
    return np.ascontiguousarray(found.astype(found.dtype.newbyteorder("<"), copy=False)).data


def _variable(values: pa.Array) -> tuple[memoryview, memoryview]:
    """The lengths of the values as 32-bit numbers, and their bytes one after another."""
    _, offsets, data = values.buffers()
    if offsets is None or not len(values):
        return memoryview(b""), memoryview(b"")
    bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    lengths = np.diff(bounds)
    if values.null_count and lengths[~values.is_valid().to_numpy(zero_copy_only=False)].any():
        # Arrow leaves undefined what a NULL covers.
        return _variable(pc.fill_null(values, b"" if pa.types.is_binary(values.type) else ""))
    taken = memoryview(data)[int(bounds[0]) : int(bounds[-1])] if data is not None else memoryview(b"")
    return lengths.astype("<u4").data, taken
