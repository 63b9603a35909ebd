"""Send and fetch no more bytes a second than the settings allow, all threads together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edms_tasks.repository.backends.object_store import Around, ObjectPiece, ObjectStore, Request, T


class Bandwidth:
    """So many bytes a second. Who wants more waits until what was passed before has had its time."""

    def __init__(
        self,
        bytes_per_second: int,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate, self._now, self._sleep = bytes_per_second, now, sleep
        self._free_at = 0.0
        self._mutex = threading.Lock()

    def wait_for(self, size: int) -> None:
        """Wait until `size` more bytes may pass."""
        with self._mutex:
            now = self._now()
            begins = max(now, self._free_at)
            self._free_at = ends = begins + size / self._rate
        self._sleep(ends - now)


class Limited(Around):
    """A store with limits.

    Args:
        store: the store.
        upload: for bytes that are sent; None for no limit.
        download: for bytes that are fetched.
    """

    def __init__(self, store: ObjectStore, upload: Bandwidth | None, download: Bandwidth | None) -> None:
        super().__init__(store)
        self._upload, self._download = upload, download

    def read(self, name: str, start: int, length: int) -> ObjectPiece:
        """At most `length` bytes; the next request waits for them."""
        piece = super().read(name, start, length)
        if self._download is not None:
            self._download.wait_for(len(piece.data))
        return piece

    def _around(self, request: Request, ask: Callable[[], T]) -> T:
        if self._upload is not None and request.sent:
            self._upload.wait_for(request.sent)
        return ask()
