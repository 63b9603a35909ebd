"""A reader of snapshots written from docs/format.md: the standard library, pandas, pyarrow for zstd.

`test_format_with_pandas.py` reads real snapshots with it, and checks that this file imports nothing else.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

Json = dict[str, Any]
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)


class PlainRepository:
    """A repository's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        assert json.loads((folder / "config.json").read_bytes())["format"] in (1, 2)

    def manifest(self, snapshot_id: str) -> Json:
        """§2: the manifest, checked against its name."""
        data = (self.folder / "snapshots" / f"{snapshot_id}.json").read_bytes()
        assert hashlib.sha256(data).hexdigest() == snapshot_id
        manifest: Json = json.loads(data)
        assert manifest["format"] in (1, 2)
        return manifest

    def object(self, ref: Json) -> bytes:
        """§1: an object, checked against its reference."""
        data = (self.folder / "objects" / ref["sha256"][:2] / ref["sha256"]).read_bytes()
        assert len(data) == ref["size"]
        assert hashlib.sha256(data).hexdigest() == ref["sha256"]
        return data

    def frame(self, entry: Json) -> pd.DataFrame:
        """§4: all rows of a table, in the order of its blocks (format 2)."""
        if not entry["chunks"]:
            names = [column["name"] for column in entry["table"]["columns"]]
            names += ["@rowid"] if entry["table"]["row_ids"] else []
            return pd.DataFrame(columns=[*names, "@key", *(f"@ref:{r['name']}" for r in entry["table"]["references"])])
        if entry.get("blocks") is None:
            frames = [self._chunk(entry, chunk) for chunk in entry["chunks"]]
        else:
            frames = [self._block(entry, number) for number in range(len(entry["blocks"]))]
        rows = pd.concat(frames, ignore_index=True)
        if "@key" not in rows:
            rows["@key"] = _keys_of_columns(entry, rows)
        return rows

    def _chunk(self, entry: Json, chunk: Json) -> pd.DataFrame:
        """§4: the rows of a chunk that are not superseded."""
        rows = pd.read_parquet(io.BytesIO(self.object(chunk["object"])), dtype_backend="pyarrow")
        assert len(rows) == chunk["rows"]
        if "exact_digest" in chunk:
            assert chunk["exact_digest"] == exact_digest(entry, rows)
            assert chunk["content_digest"] == content_digest(entry, rows)
        if chunk["superseded"] is not None:
            gone = pd.read_parquet(io.BytesIO(self.object(chunk["superseded"])))["row"]
            assert len(gone) == chunk["superseded_rows"] == gone.nunique()
            rows = rows.drop(index=gone)  # raises where there is no such row
        return rows

    def _block(self, entry: Json, number: int) -> pd.DataFrame:
        """§6: the rows of a block in their order, checked against its hashes."""
        block = entry["blocks"][number]
        chunks = [self._chunk(entry, chunk) for chunk in entry["chunks"] if chunk["block"] == number]
        rows = pd.concat(chunks, ignore_index=True)
        if len(chunks) > 1:
            keys = zip(*(rows[name].tolist() for name in entry["ordered_by"]), strict=True)
            order = {place: [v.encode() if isinstance(v, str) else v for v in key] for place, key in enumerate(keys)}
            rows = rows.loc[sorted(order, key=order.__getitem__)].reset_index(drop=True)
        assert len(rows) == block["rows"]
        assert column_hashes(entry, rows) == block["columns"], f"{entry['table']['id']}, block {number}"
        return rows

    def index(self, files: Json) -> pd.DataFrame:
        """§7.1: the index of a file root."""
        frames = [pd.read_parquet(io.BytesIO(self.object(ref)), dtype_backend="pyarrow") for ref in files["index"]]
        return pd.concat(frames, ignore_index=True)

    def content(self, files: Json, row: Any) -> bytes:
        """§7.2: a file's bytes."""
        packs = {ref["sha256"]: ref for ref in files["packs"]}
        content = b""
        for part in row.parts:
            with pyarrow.CompressedInputStream(
                pyarrow.BufferReader(self.object(packs[part["object"]])), "zstd"
            ) as stream:
                unpacked = stream.read()
            content += unpacked[part["offset"] : part["offset"] + part["length"]]
        assert hashlib.sha256(content).hexdigest() == row.sha256
        return content


def _keys_of_columns(entry: Json, frame: pd.DataFrame) -> list[str | None]:
    """§4, §5.4: the natural key of rows whose chunk leaves it out."""
    key = entry["natural_key"]
    if key is None:
        return [None] * len(frame)
    assert all(len(path) == 1 for path in key["paths"])
    return [json.dumps(parts) for parts in zip(*(_parts(entry, frame, path[0]) for path in key["paths"]), strict=True)]


def _parts(entry: Json, frame: pd.DataFrame, column: str) -> list[Any]:
    plain = _texts(frame[column])
    names = [
        reference["name"]
        for reference in entry["table"]["references"]
        if reference["kind"] not in ("generic", "soft") and reference["columns"] == [column]
    ]
    if not names or entry["natural_key"]["source"] == "surrogate":
        return list(plain)
    return [
        None if value is None else json.loads(key) if key is not None else {"dangling": value}
        for value, key in zip(plain, _texts(frame[f"@ref:{names[0]}"]), strict=True)
    ]


def proof(entry: Json, frame: pd.DataFrame) -> str:
    """§6.3: the proof of a table's rows, which stand in the order of its blocks."""
    names = [column["name"] for column in entry["table"]["columns"]]
    names += ["@rowid"] if entry["table"]["row_ids"] else []
    hashes, start = [], 0
    for block in entry["blocks"]:
        found = column_hashes(entry, frame.iloc[start : start + block["rows"]])
        hashes.append(block_hash(block["rows"], {name: bytes.fromhex(found[name]) for name in names}))
        start += block["rows"]
    assert start == len(frame)
    return table_hash(start, hashes).hex()


def column_hashes(entry: Json, rows: pd.DataFrame) -> dict[str, str]:
    """§6.2: the SHA-256 of each column of a block."""
    found = {}
    for name, kind in entry["types"].items():
        values = [None if value is pd.NA or value is None else value for value in rows[name].tolist()]
        found[name] = column_hash(kind, entry["encodings"].get(name, "native"), values).hex()
    return found


def column_hash(kind: str, encoding: str, values: Sequence[Any]) -> bytes:
    """`kind` is the Arrow type's name; values are Python's, None for NULL; floats may be given as their bytes."""
    tag = f"{encoding} {kind}".encode()
    data = struct.pack("<I", len(tag)) + tag + struct.pack("<Q", len(values))
    data += _bitmap([value is not None for value in values])
    if kind == "bool":
        data += _bitmap([bool(value) for value in values])
    elif kind in ("string", "binary"):
        texts = [b"" if v is None else v.encode() if isinstance(v, str) else v for v in values]
        data += b"".join(struct.pack("<I", len(text)) for text in texts) + b"".join(texts)
    else:
        data += b"".join(_fixed(kind, value) for value in values)
    return hashlib.sha256(data).digest()


def block_hash(rows: int, columns: Mapping[str, bytes]) -> bytes:
    """Over the hashes of the columns."""
    data = b"edms-backup/block" + struct.pack("<QI", rows, len(columns))
    for name, digest in columns.items():
        data += struct.pack("<I", len(name.encode())) + name.encode() + digest
    return hashlib.sha256(data).digest()


def table_hash(rows: int, blocks: Sequence[bytes]) -> bytes:
    """Over the hashes of the blocks."""
    return hashlib.sha256(b"edms-backup/table" + struct.pack("<QQ", rows, len(blocks)) + b"".join(blocks)).digest()


def _bitmap(flags: Sequence[bool]) -> bytes:
    number = sum(1 << place for place, flag in enumerate(flags) if flag)
    return number.to_bytes((len(flags) + 7) // 8, "little")


def _fixed(kind: str, value: Any) -> bytes:
    formats = {"int16": "<h", "int32": "<i", "int64": "<q", "float": "<f", "double": "<d", "date32[day]": "<i"}
    if kind.startswith("timestamp"):
        if value is None:
            return bytes(8)
        moment = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        return struct.pack("<q", (moment - _EPOCH) // datetime.timedelta(microseconds=1))
    if value is None:
        return bytes(struct.calcsize(formats[kind]))
    if kind == "date32[day]":
        value = (value - datetime.date(1970, 1, 1)).days
    return struct.pack(formats[kind], value)


def exact_digest(entry: Json, frame: pd.DataFrame) -> str:
    """§10 (format 1): the digest over every column as it is."""
    common, apart = _common_and_apart(entry)
    apart = [*apart, *(["@rowid"] if entry["table"]["row_ids"] else [])]
    texts = {name: _texts(frame[name]) for name in (*common, *apart)}
    return _digest(len(frame), [texts[name] for name in common], [texts[name] for name in apart])


def content_digest(entry: Json, frame: pd.DataFrame) -> str:
    """§10: surrogate keys left out, references by natural key."""
    common, _ = _common_and_apart(entry)
    texts = {name: _texts(frame[name]) for name in frame.columns}
    pointed: list[list[str | None]] = []
    for reference in entry["table"]["references"]:
        if reference["kind"] == "soft":
            continue
        columns = [texts[name] for name in _members(reference)]
        pointed.append(
            [
                None if None in raw else found if found is not None else "dangling " + _row_text(raw)
                for found, *raw in zip(texts[f"@ref:{reference['name']}"], *columns, strict=True)
            ]
        )
    soft = {reference["column"] for reference in entry["table"]["references"] if reference["kind"] == "soft"}
    pointed += [texts[f"@soft:{column['name']}"] for column in entry["table"]["columns"] if column["name"] in soft]
    key = entry["natural_key"]
    if key is not None and any(len(path) > 1 for path in key["paths"]):
        pointed.append(texts["@key"])
    return _digest(len(frame), [texts[name] for name in common], pointed)


def files_digest(index: pd.DataFrame) -> str:
    """§7.3: the digest of a file root."""
    total = 0
    for row in index.itertuples(index=False):
        if row.path:
            text = b"\0".join([row.path, row.kind.encode(), str(row.size).encode(), row.sha256.encode()])
            total += int.from_bytes(hashlib.md5(text).digest(), "big")
    return f"{total % 2**128:032x}"


def untag(value: str, encoding: str) -> int | float | str | bytes:
    """§5.3: a tagged value."""
    kind, rest = value[0], value[1:]
    if kind == "i":
        return int(rest)
    if kind == "r":
        return float(rest)
    data = bytes.fromhex(rest)
    return data.decode(encoding) if kind == "t" else data


def _common_and_apart(entry: Json) -> tuple[list[str], list[str]]:
    """§10.1: the columns that both digests cover, and those that only the exact one does."""
    table, key = entry["table"], entry["natural_key"]
    apart = {name for reference in table["references"] for name in _members(reference)}
    if key is not None and key["source"] != "surrogate":
        apart |= set(table["primary_key"]) - {path[0] for path in key["paths"]}
    names = [column["name"] for column in table["columns"]]
    return [name for name in names if name not in apart], [name for name in names if name in apart]


def _members(reference: Json) -> list[str]:
    if reference["kind"] == "generic":
        return [reference["content_type_column"], reference["object_id_column"]]
    if reference["kind"] == "soft":
        return [reference["column"]]
    return list(reference["columns"])


def _texts(column: pd.Series[Any]) -> list[str | None]:
    kind = str(column.dtype)
    assert not kind.startswith("float["), "32-bit floats need another way to their shortest text"
    return [None if value is pd.NA or value is None else _text(value) for value in column.tolist()]


def _text(value: Any) -> str:
    """§6.4: the canonical text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, pd.Timestamp):
        zone = "+00" if value.tzinfo else ""
        moment = value.tz_convert(UTC) if value.tzinfo else value
        fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
        return f"{moment.year:04d}-{moment:%m-%d %H:%M:%S}{fraction}{zone}"
    return str(value.isoformat())  # a date


def _row_text(texts: Any) -> str:
    """§6.5."""
    return "".join("-" if text is None else f"{len(text.encode())}:{text}" for text in texts)


def _digest(rows: int, common: list[list[str | None]], own: list[list[str | None]]) -> str:
    """§10.1 and §10.2."""
    upper = lower = 0
    for number in range(rows):
        row = ""
        if common:
            row = hashlib.md5(_row_text([column[number] for column in common]).encode()).hexdigest()
        row += _row_text([column[number] for column in own])
        low, high = struct.unpack("<QQ", hashlib.md5(row.encode()).digest())
        upper, lower = (upper + high) % 2**64, (lower + low) % 2**64
    return f"{upper:016x}{lower:016x}"
