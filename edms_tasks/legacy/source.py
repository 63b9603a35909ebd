"""The file or folder of an old backup: its beginning, decompressed, and a stream of its bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Literal, cast

from edms_tasks.databases.undamaged_part import UndamagedPart

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_HEAD = 1 << 16
Compression = Literal["", "gzip", "bzip2", "xz", "lzma", "zstd"]
_MAGIC: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x5d\x00\x00", "lzma"),  # what Django writes as .lzma
)
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstd.ZstdError, OSError)
"""What reading a damaged compressed stream raises. bzip2's error is a plain OSError without an errno: see `is_damage`."""


def is_damage(error: BaseException) -> bool:
    """Whether an exception comes from damaged data, and not from the disk."""
    if isinstance(error, OSError) and error.errno is not None:
        return False
    return isinstance(error, DAMAGED)


def read_block(stream: IO[bytes], size: int) -> tuple[bytes, str]:
    """Up to `size` bytes, and why there are no more if the stream is damaged."""
    damage: list[str] = []
    block = UndamagedPart(stream, is_damage, damage.append).read(size)
    return block, "".join(damage)


@dataclass(frozen=True)
class Source:
    """A file or folder that may be an old backup."""

    path: Path

    @property
    def name(self) -> str:
        """Its name without the suffixes of compression, in lower case."""
        name = self.path.name.lower()
        for suffix in (".gz", ".bz2", ".xz", ".lzma", ".zst"):
            name = name.removesuffix(suffix)
        return name

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @cached_property
    def size(self) -> int:
        """The size of the file in bytes; 0 for a folder."""
        return 0 if self.is_folder else self.path.stat().st_size

    @cached_property
    def compression(self) -> Compression:
        """The compression of the file, by its first bytes, whatever its name says."""
        if self.is_folder:
            return ""
        with self.path.open("rb") as stream:
            return compression_of(stream.read(8))

    @cached_property
    def is_checked(self) -> bool:
        """Whether the compression has a checksum of the data: gzip and bzip2 always do, xz and zstd as they were told to."""
        if self.compression not in ("xz", "zstd"):
            return self.compression in ("gzip", "bzip2")
        with self.path.open("rb") as stream:
            head = stream.read(8)
        if len(head) < 8:
            return False
        return bool(head[7] & 0x0F) if self.compression == "xz" else bool(head[4] & 0x04)

    @cached_property
    def head(self) -> bytes:
        """The first 64 KB, decompressed; less if the file is damaged there. Empty for a folder."""
        if self.is_folder:
            return b""
        with self.open() as stream:
            found, _ = read_block(stream, _HEAD)
        return found

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The decompressed bytes. Reading raises one of `DAMAGED` where the file is damaged."""
        with self.path.open("rb") as raw, decompressed(raw, self.compression) as stream:
            yield stream


def compression_of(head: bytes) -> Compression:
    """The compression that data beginning so has."""
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


@contextmanager
def decompressed(raw: IO[bytes], compression: Compression) -> Iterator[IO[bytes]]:
    """A stream that decompresses `raw`."""
    match compression:
        case "gzip":
            with gzip.GzipFile(fileobj=raw) as unzipped:
                yield cast(IO[bytes], unzipped)
        case "bzip2":
            with bz2.BZ2File(raw) as unzipped:
                yield cast(IO[bytes], unzipped)
        case "xz" | "lzma":
            with lzma.LZMAFile(raw) as unzipped:
                yield cast(IO[bytes], unzipped)
        case "zstd":
            with zstd.ZstdFile(raw) as unzipped:
                yield cast(IO[bytes], unzipped)
        case _:
            yield raw
