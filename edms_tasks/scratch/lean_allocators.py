"""Have the C library and DuckDB return freed memory to the system soon, so that a run's peak is not the sum of its stages' peaks.

To be called when a process begins: DuckDB reads its configuration when it is loaded, and arenas are made when threads begin.
Arrow's allocator is configured when it is used (`arrow_memory.py`).
"""

from __future__ import annotations

import ctypes
import os

_DUCKDB = "DUCKDB_JE_MALLOC_CONF"
# By default pages are kept for a second after their last use, and then two, but only looked at when DuckDB allocates again.
_SOON = "background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0"

# The numbers of these options in malloc.h of the GNU C library.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_OPTIONS = {
    _ARENA_MAX: 2,  # by default eight for each core, each with free pages of its own
    _MMAP_THRESHOLD: 128 << 10,  # by default it grows to 32 MB, and what is smaller leaves holes when it is freed
    _TRIM_THRESHOLD: 1 << 20,
}


def return_freed_memory_soon() -> None:
    """Configure both, unless the environment does; where the C library has no such options, it stays as it is."""
    os.environ.setdefault(_DUCKDB, _SOON)
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _OPTIONS.items():
            mallopt(option, value)
