"""Whether something is mounted on a folder, also by a bind mount of the same disk, which `os.path.ismount` does not see."""

from __future__ import annotations

import os
import re
from pathlib import Path

MOUNT_TABLE = Path("/proc/self/mountinfo")
_POINT = 4  # the field with the mount point
_ESCAPED = re.compile(r"\\([0-7]{3})")


def is_mount_point(folder: Path) -> bool:
    """Whether a folder (or file) is a mount point, so that it cannot be renamed, nor anything across its edge."""
    if os.path.ismount(folder):
        return True
    return os.path.realpath(folder) in mounted()


def mounted() -> frozenset[str]:
    """Every mount point that the kernel lists; empty where it lists none (macOS)."""
    try:
        lines = MOUNT_TABLE.read_bytes().splitlines()
    except OSError:
        return frozenset()
    fields = [os.fsdecode(line).split(" ") for line in lines]
    return frozenset(
        _ESCAPED.sub(lambda code: chr(int(code[1], 8)), line[_POINT]) for line in fields if len(line) > _POINT
    )
