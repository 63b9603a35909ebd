"""Write the file of a key, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from edms_tasks.durable import write_durably
from edms_tasks.errors import CommandError


def write_key_file(path: Path, text: str) -> None:
    """Write or replace the file, readable by its owner only. Raises CommandError if that is not possible; what was there stays."""
    try:
        write_durably(path, text)
    except OSError as error:
        raise CommandError(
            "The file of a key cannot be written.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Make its folder writable for this user, or name another file.",
        ) from error
