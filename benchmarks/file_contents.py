"""Contents like those of an EDMS's files: half are text that compresses well, half are like PDFs and JPEGs."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

_SMALLEST, _LARGEST = 1_000, 50_000
_POOL = 32 * 1024 * 1024  # so large that two texts seldom share a piece within what a compressor looks back on


class FileMaker:
    """Writes files of 1 to 50 kB, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._text = b""

    def write(self, paths: Iterable[Path]) -> int:
        """Write (or write anew) each file; returns how many."""
        written = 0
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content(self._rng.randrange(_SMALLEST, _LARGEST)))
            written += 1
        return written

    def content(self, size: int) -> bytes:
        """So many bytes, of a text or of what does not compress."""
        if self._rng.random() < 0.5:
            return self._rng.randbytes(size)
        text = self._text = self._text or _prose(self._rng)
        start = self._rng.randrange(len(text) - size)
        return text[start : start + size]


def _prose(rng: random.Random) -> bytes:
    """Words of a made-up language, the short ones more often, as in any."""
    letters = "etaoinshrdlucmfgypwbvk"
    words = ["".join(rng.choices(letters, k=1 + rank % 11)) for rank in range(4_000)]
    weights = [1 / (rank + 2) for rank in range(len(words))]
    pieces: list[str] = []
    length = 0
    while length < _POOL:
        sentence = " ".join(rng.choices(words, weights, k=1_000)) + ".\n"
        pieces.append(sentence)
        length += len(sentence)
    return "".join(pieces).encode()
