"""Report the progress of a loop over files."""

from __future__ import annotations

import time
from typing import Protocol


class Progress(Protocol):
    """Receives the progress of a loop over files, from any thread, at most ten times a second."""

    def __call__(self, count: int, size: int = 0) -> None:
        """So many files and bytes more are done."""

    def expect(self, count: int, size: int = 0) -> None:
        """Announce the total numbers of files and bytes."""


class Meter:
    """Adds up progress between two reports."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._files = 0
        self._bytes = 0
        self._told = 0.0
        self.counted = 0

    def expect(self, files: int, size: int) -> None:
        """Report the total numbers of files and bytes."""
        if self._progress is not None:
            self._progress.expect(files, size)

    def count(self, files: int = 1, size: int = 0) -> None:
        """Count files and bytes as done."""
        self._files += files
        self._bytes += size
        self.counted += files
        if time.monotonic() - self._told > 0.1:
            self.tell()

    def tell(self) -> None:
        """Report what has not been reported yet."""
        self._told = time.monotonic()
        if self._progress is not None and (self._files or self._bytes):
            self._progress(self._files, self._bytes)
        self._files = self._bytes = 0
