"""The error for memory or disk space that ran out in a step: which limit was reached, and which would be enough."""

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
    """The MemoryExhausted or NoSpace for an `error` of `step` ("serialize documents.Document"); None for any other error."""
    message = str(error).splitlines()[0] if str(error) else type(error).__name__
    noted = "".join(f" {note}" for note in getattr(error, "__notes__", ()))  # large_values.py
    if isinstance(error, duckdb.OutOfMemoryException):
        if "max_temp_directory_size" in str(error) or "offload" in message:
            return NoSpace(
                f"No room is left in `workdir` for what does not fit into memory: {step}.",
                why=message,
                fix="Free some space there, or point `workdir` at a larger disk, and run it again.",
            )
        return MemoryExhausted(
            f"The memory limit was reached: {step}.",
            why=f"{message}. A single value must fit into memory several times over.{noted}",
            fix=f"Set memory_limit_mb to {_enough(message)} or more in the settings (or EDMS_BACKUP__MEMORY_LIMIT_MB), with jobs = 1 if "
            "the machine has little memory, and run it again.",
        )
    if isinstance(error, MemoryError):  # Arrow's too
        return MemoryExhausted(
            f"The machine has no memory left: {step}.",
            why=message + noted,
            fix="Stop other programs, or set a lower memory_limit_mb and jobs = 1 in the settings, and run it again.",
        )
    return None


def _enough(message: str) -> int:
    """A limit in megabytes that is enough for DuckDB's refused request and the larger ones after it.

    Four times the sum of what was asked for and what was in use, because hashing a value needs its text beside it.
    """
    found = _REFUSED.search(message)
    if found is None:
        return 4 * _STEP_MB
    asked, of, used, unit = found.groups()
    needed = float(asked) * _BYTES.get(of, 1) + float(used) * _BYTES.get(unit, 1)
    return math.ceil(4 * needed / 1e6 / _STEP_MB) * _STEP_MB
