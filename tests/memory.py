"""Folders in memory, for what tests write much of and need not keep: on a disk, half of the system's own time goes into files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_PLENTY = 8 << 30  # the folders of a whole run are a gigabyte, and so are the databases of each of its processes


def folder_in_memory(name: str, memory: Path = _MEMORY) -> Path | None:
    """A new folder in memory; None where there is no plenty of it, as in many containers. Its maker removes it."""
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_flag & os.ST_NOEXEC or _free(memory) < _PLENTY:
        return None
    _remove_abandoned(name, memory)
    return Path(tempfile.mkdtemp(prefix=f"{name}-{os.getpid()}-", dir=memory))


def _free(memory: Path) -> int:
    # The size of the file system is a bound and no promise.
    available = re.search(r"MemAvailable: *(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"))
    return min(shutil.disk_usage(memory).free, int(available[1]) << 10 if available else 0)


def _remove_abandoned(name: str, memory: Path) -> None:
    """Remove the folders of processes that were killed: they would take memory until the machine is started again."""
    for folder in memory.glob(f"{name}-*-*"):
        if not Path("/proc", folder.name.split("-")[-2]).exists():
            shutil.rmtree(folder, ignore_errors=True)
