"""Memory or room that ran out in the middle of a step: which limit was met, and what would do."""

from __future__ import annotations

import math
import re

import duckdb

from edms_tasks.errors import EdmsBackupError, MemoryExhausted, NoSpace

# DuckDB: "failed to allocate data of size 512.0 MiB (286.9 MiB/305.1 MiB used)"; sizes in bytes, KiB, MiB or GiB.
_REFUSED = re.compile(r"size ([\d.]+) (\w+) \(([\d.]+) (\w+)/[\d.]+ \w+ used\)")
_BYTES = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_STEP_MB = 256


def exhausted(error: Exception, step: str) -> EdmsBackupError | None:
    """The error for memory or room that ran out while `step` ran ("serialize documents.Document"); None for any other error."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, duckdb.OutOfMemoryException):
        if "max_temp_directory_size" in str(error) or "offload" in said:
            return NoSpace(
                f"No room is left in `workdir` for what does not fit into memory: {step}.",
                why=said,
                fix="Free some space there, or point `workdir` at a larger disk, and run it again.",
            )
        return MemoryExhausted(
            f"The memory limit was reached: {step}.",
            why=f"{said}. A single value must fit into memory several times over.",
            fix=f"Set memory_limit_mb to {_enough(said)} or more in the settings (or EDMS_BACKUP__MEMORY_LIMIT_MB), with jobs = 1 if "
            "the machine has little memory, and run it again.",
        )
    if isinstance(error, MemoryError):  # Arrow's too
        return MemoryExhausted(
            f"The machine has no memory left: {step}.",
            why=said,
            fix="Stop other programs, or set a lower memory_limit_mb and jobs = 1 in the settings, and run it again.",
        )
    return None


def _enough(said: str) -> int:
    """Megabytes that would have done for this request, and for the larger ones that follow: a hash has its text beside the value."""
    found = _REFUSED.search(said)
    if found is None:
        return 4 * _STEP_MB
    asked, of, used, unit = found.groups()
    needed = float(asked) * _BYTES.get(of, 1) + float(used) * _BYTES.get(unit, 1)
    return math.ceil(4 * needed / 1e6 / _STEP_MB) * _STEP_MB
