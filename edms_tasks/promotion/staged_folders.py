"""Staged folders of files: beside the live folder, on the same disk, so that a rename can promote them."""

from __future__ import annotations

import glob
import os
import re
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from edms_tasks.errors import TerminalError
from edms_tasks.mount_points import is_mount_point
from edms_tasks.promotion.swap_around_database import require_movable


def staging_folder(live: Path) -> Path:
    """The path of a staged folder that no other run uses."""
    return live.with_name(f"{live.name}.edms-staging-{secrets.token_hex(4)}")


def remove_staged_beside(live: Path) -> tuple[str, ...]:
    """Remove staged folders of killed runs and return their names. The caller holds the folder's lock."""
    removed = []
    if live.parent.is_dir():
        for folder in sorted(live.parent.glob(f"{glob.escape(live.name)}.edms-staging*")):
            if re.fullmatch(r"\.edms-staging(-[0-9a-f]{8})?", folder.name.removeprefix(live.name)):
                remove_staged([folder])
                removed.append(str(folder))
    return tuple(removed)


def remove_staged(folders: Sequence[Path]) -> None:
    """Remove staged folders of this run."""
    for folder in folders:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)


def identity(folder: Path) -> str:
    """The identity of a folder (device and inode), which tells it from another of the same name; "" if it does not exist."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return ""
    return f"folder {status.st_dev}:{status.st_ino}"


def check_folder(live: Path, databases: Sequence[Path] = ()) -> None:
    """Check that a folder can be staged and swapped, around the files of `databases` in it; raises before anything is changed."""
    if is_mount_point(live):
        raise TerminalError(
            "A folder of files is a mount point, so it cannot be swapped by renaming.",
            where=str(live),
            fix="Restore with --into and copy the files, or point the EDMS (and [files] roots) at a folder inside the mount.",
        )
    existing = live.parent
    while not existing.exists():
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        raise TerminalError(
            "The files cannot be staged.",
            where=str(existing),
            why="No permission to write there.",
            fix="Fix the folder's permissions.",
        )
    require_movable(live, databases)
