"""The checksum that stands beside a file: `backup.tar.gz.sha256`."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.source import Source

_KINDS = ("sha256", "sha512", "sha1", "md5")
SUFFIXES_OF_CHECKSUMS = tuple(f".{kind}" for kind in _KINDS)
"""What the name of a file of a checksum ends with."""
_LONGEST = 1 << 16


def check_beside(source: Source) -> tuple[list[Finding], bool]:
    """What is wrong with the file by its checksum, and whether there is one that is right."""
    if source.is_folder:
        return [], False
    for kind in _KINDS:
        beside = Path(f"{source.path}.{kind}")
        if not beside.is_file():
            continue
        with beside.open("rb") as stream:
            words = stream.read(_LONGEST).decode("ascii", "replace").lower()
        wanted = re.findall(rf"\b[0-9a-f]{{{hashlib.new(kind).digest_size * 2}}}\b", words)
        with source.path.open("rb") as stream:
            found = hashlib.file_digest(stream, kind).hexdigest()
        if found in wanted:
            return [], True
        why = "is not that of the file" if wanted else "holds no checksum"
        return [make_finding("old-checksum-differs", source.path.name, f"{beside.name} {why}.")], False
    return [], False
