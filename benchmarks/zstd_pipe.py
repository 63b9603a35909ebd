"""stdin to stdout through zstd at level 3, for machines that have no `zstd` program."""

from __future__ import annotations

import sys

import pyarrow as pa

_BLOCK = 16 * 1024 * 1024  # large enough for the window of level 3


def main() -> None:
    """Compress until the end, a frame a block."""
    codec = pa.Codec("zstd", compression_level=3)
    while block := sys.stdin.buffer.read(_BLOCK):
        sys.stdout.buffer.write(codec.compress(block, asbytes=True))


if __name__ == "__main__":
    main()
