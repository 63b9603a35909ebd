"""A reader of snapshots written from docs/format.md: the standard library, pandas, pyarrow for zstd.

`test_format_with_pandas.py` reads real snapshots with it, and checks that this file imports nothing else.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from datetime import UTC
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow

Json = dict[str, Any]


class PlainRepository:
    """A repository's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        assert json.loads((folder / "config.json").read_bytes())["format"] == 1

    def manifest(self, snapshot_id: str) -> Json:
        """§2: the manifest, checked against its name."""
        data = (self.folder / "snapshots" / f"{snapshot_id}.json").read_bytes()
        assert hashlib.sha256(data).hexdigest() == snapshot_id
        manifest: Json = json.loads(data)
        assert manifest["format"] == 1
        return manifest

    def object(self, ref: Json) -> bytes:
        """§1: an object, checked against its reference."""
        data = (self.folder / "objects" / ref["sha256"][:2] / ref["sha256"]).read_bytes()
        assert len(data) == ref["size"]
        assert hashlib.sha256(data).hexdigest() == ref["sha256"]
        return data

    def frame(self, entry: Json) -> pd.DataFrame:
        """§4: all rows of a table."""
        frames = []
        for chunk in entry["chunks"]:
            rows = pd.read_parquet(io.BytesIO(self.object(chunk["object"])), dtype_backend="pyarrow")
            assert len(rows) == chunk["rows"]
            assert chunk["exact_digest"] == exact_digest(entry, rows)
            assert chunk["content_digest"] == content_digest(entry, rows)
            if "@key" not in rows:
                rows["@key"] = _keys_of_columns(entry, rows)
            if chunk["superseded"] is not None:
                gone = pd.read_parquet(io.BytesIO(self.object(chunk["superseded"])))["row"]
                assert len(gone) == chunk["superseded_rows"] == gone.nunique()
                rows = rows.drop(index=gone)  # raises where there is no such row
            frames.append(rows)
        if not frames:
            names = [column["name"] for column in entry["table"]["columns"]]
            names += ["@rowid"] if entry["table"]["row_ids"] else []
            return pd.DataFrame(columns=[*names, "@key", *(f"@ref:{r['name']}" for r in entry["table"]["references"])])
        return pd.concat(frames, ignore_index=True)

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


def exact_digest(entry: Json, frame: pd.DataFrame) -> str:
    """§6: the digest over every column as it is."""
    common, apart = _common_and_apart(entry)
    apart = [*apart, *(["@rowid"] if entry["table"]["row_ids"] else [])]
    texts = {name: _texts(frame[name]) for name in (*common, *apart)}
    return _digest(len(frame), [texts[name] for name in common], [texts[name] for name in apart])


def content_digest(entry: Json, frame: pd.DataFrame) -> str:
    """§6: surrogate keys left out, references by natural key."""
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
    """§6.2: the columns that both digests cover, and those that only the exact one does."""
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
    """§6.1: the canonical text."""
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
    """§6.2."""
    return "".join("-" if text is None else f"{len(text.encode())}:{text}" for text in texts)


def _digest(rows: int, common: list[list[str | None]], own: list[list[str | None]]) -> str:
    """§6.2 and §6.3."""
    upper = lower = 0
    for number in range(rows):
        row = ""
        if common:
            row = hashlib.md5(_row_text([column[number] for column in common]).encode()).hexdigest()
        row += _row_text([column[number] for column in own])
        low, high = struct.unpack("<QQ", hashlib.md5(row.encode()).digest())
        upper, lower = (upper + high) % 2**64, (lower + low) % 2**64
    return f"{upper:016x}{lower:016x}"
