"""stdin to stdout through zstd at the level in the argument, for machines that have no `zstd` program."""

from __future__ import annotations

import sys

import pyarrow as pa

_BLOCK = 16 * 1024 * 1024  # large enough for the window of these levels


def main() -> None:
    """Compress until the end, a frame a block."""
    codec = pa.Codec("zstd", compression_level=int(sys.argv[1]))
    while block := sys.stdin.buffer.read(_BLOCK):
        sys.stdout.buffer.write(codec.compress(block, asbytes=True))


if __name__ == "__main__":
    main()
