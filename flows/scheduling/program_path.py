"""The path of the program, for those who start it without a shell's PATH."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def program_path() -> str:
    """The `edms-backup` that runs now: beside this interpreter, or else the one in PATH."""
    beside = Path(sys.executable).with_name("edms-backup")
    if beside.exists():
        return str(beside)
    return shutil.which("edms-backup") or "edms-backup"
