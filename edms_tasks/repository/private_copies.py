"""Copies of small files of the repository on this machine, such as manifests and records; each is compared with its SHA-256."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably


class PrivateCopies:
    """A folder of copies, readable by its owner only. Without a folder (None) there are none.

    A copy that cannot be written or read is as if it were not there: then the repository is asked.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def read(self, name: str, sha256: str) -> bytes | None:
        """The copy of that name; None if there is none with the right content."""
        if self.folder is None:
            return None
        try:
            data = (self.folder / name).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def keep(self, name: str, data: bytes) -> None:
        """Write a copy."""
        if self.folder is None:
            return
        try:
            private_folder(self.folder)
            write_durably(self.folder / name, data)
        except OSError:
            pass  # the next run asks the repository, or says that it cannot read it (`snapshot-sealed`)
