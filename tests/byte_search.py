"""Search files for words, byte by byte: what is encrypted is decrypted by `age`'s own program, what is compressed is unpacked."""

from __future__ import annotations

import gzip
import subprocess
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_DEPTH = 4


def found_in(places: Iterable[Path], words: Iterable[str], identity: Path | None = None) -> list[str]:
    """The words that are in files, or in the names of files, below some places, as texts `file: word`.

    Args:
        places: files and folders.
        words: what is looked for, in UTF-8 and UTF-16, in letters of any case.
        identity: a file with secret keys of age, for what is encrypted.
    """
    wanted = {form.lower(): word for word in words for form in (word.encode(), word.encode("utf-16-le"))}
    hits = set()
    for path in (one for place in places for one in ([place, *place.rglob("*")] if place.is_dir() else [place])):
        hits |= {f"name of {path}: {word}" for form, word in wanted.items() if form in str(path).lower().encode()}
        if path.is_file():
            for data in _contents(path.read_bytes(), identity):
                hits |= {f"{path}: {word}" for form, word in wanted.items() if form in data.lower()}
    return sorted(hits)


def _contents(data: bytes, identity: Path | None, depth: int = 0) -> Iterator[bytes]:
    """The bytes, and what they are when they are decrypted, unpacked and read."""
    yield data
    if depth == _DEPTH:
        return
    for inner in _inside(data, identity):
        yield from _contents(inner, identity, depth + 1)


def _inside(data: bytes, identity: Path | None) -> Iterator[bytes]:
    if data.startswith((b"age-encryption.org/", b"-----BEGIN AGE")) and identity is not None:
        done = subprocess.run(["age", "--decrypt", "--identity", str(identity)], input=data, capture_output=True)
        if done.returncode == 0:
            yield done.stdout
    if data.startswith(b"PAR1"):
        table = pq.read_table(BytesIO(data))
        yield repr(table.to_pydict()).encode("utf-8", "backslashreplace")
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            yield stream.read()
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    if data.startswith(b"PGDMP"):
        yield from _streams(data)


def _streams(data: bytes) -> Iterator[bytes]:
    """The zlib streams of a dump of PostgreSQL."""
    at = 0
    while (at := data.find(b"\x78\x9c", at)) >= 0:
        try:
            yield zlib.decompressobj().decompress(data[at:])
        except zlib.error:
            pass
        at += 2
