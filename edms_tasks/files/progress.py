"""Report the progress of a loop over files."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[int], None]
"""Told how many files more are done, ten times a second at most."""


class Meter:
    """Sums up progress between two reports."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._files = 0
        self._told = 0.0
        self.counted = 0

    def count(self, files: int = 1) -> None:
        """Count files as done."""
        self._files += files
        self.counted += files
        if time.monotonic() - self._told > 0.1:
            self.tell()

    def tell(self) -> None:
        """Report what has not been reported yet."""
        self._told = time.monotonic()
        if self._progress is not None and self._files:
            self._progress(self._files)
        self._files = 0
