"""A file in an old backup's archive, whose bytes are read once, and what is wrong with the archive.

What leads out, clashes, or unpacks to more than the archive's size can explain is not unpacked, but counted in `ArchiveTrouble`.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.source import DAMAGED, compression_of, decompressed, is_damage

BLOCK = 1 << 20
_EXAMPLES = 5


class UnexplainedSize(Exception):
    """An archive unpacks to more than its size can explain."""

    def __str__(self) -> str:
        return "it unpacks to more than its size can explain"


_BROKEN_CONTENT = (*DAMAGED, tarfile.TarError, zipfile.BadZipFile, UnexplainedSize)
# What the modules raise besides for damaged headers (tried with thousands of them); to read a member that is closed is a fault of ours.
BROKEN = (
    *_BROKEN_CONTENT,
    ValueError,  # both: numbers and names (UnicodeDecodeError) that are none, places before the file's beginning
    OverflowError,  # tarfile: sizes that no file can have
    NotImplementedError,  # zipfile: a method of compression or a version that is not known
    RuntimeError,  # zipfile: a member that is encrypted by its own header; tarfile: headers of headers (RecursionError)
)


@dataclass
class ArchiveTrouble:
    """What is wrong with an archive."""

    name: str
    refused: dict[str, int] = field(default_factory=dict)  # why -> number of members
    examples: list[str] = field(default_factory=list)
    damage: str = ""  # why it could not be read to its end
    members: int = 0
    bytes: int = 0  # unpacked
    is_checked: bool = False  # whether a checksum covers its bytes

    def refuse(self, name: str, why: str) -> None:
        """Count a member that is not unpacked."""
        self.refused[why] = self.refused.get(why, 0) + 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{name[:200]!r}: {why}")

    def end(self, error: Exception) -> None:
        """Note that it is damaged; an error of the disk is raised."""
        # EINVAL: a damaged zip names a place before the file's beginning.
        if isinstance(error, OSError) and not is_damage(error) and error.errno != errno.EINVAL:
            raise error
        self.damage = self.damage or _said(error)

    def findings(self) -> list[Finding]:
        """The findings on it."""
        found = []
        if self.refused:
            reasons = "; ".join(f"{count:,} × {why}" for why, count in sorted(self.refused.items()))
            found.append(
                make_finding(
                    "old-member-refused",
                    self.name,
                    f"Members of the archive were not unpacked: {reasons}.",
                    count=sum(self.refused.values()),
                    examples=tuple(self.examples),
                )
            )
        if self.damage:
            found.append(
                make_finding(
                    "old-truncated",
                    self.name,
                    f"The archive cannot be read to its end: {self.damage}. {self.members:,} members were read; "
                    f"what stood behind is lost.",
                )
            )
        return found


@dataclass
class ArchiveMember:
    """A file in an archive; its bytes can be read once, while it is the current one."""

    name: str  # a relative path without dots
    size: int
    mode: int
    modified: float
    _stream: IO[bytes]
    _trouble: ArchiveTrouble
    _limit: int
    sha256: str = ""  # after it was read to its end
    is_whole: bool = True
    _length: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def blocks(self) -> Iterator[bytes]:
        """Its bytes. Where it is damaged they end, `is_whole` is False, and the archive's damage is set."""
        digest = self._digest
        try:
            while block := self._stream.read(BLOCK):
                self._length += len(block)
                self._trouble.bytes += len(block)
                if self._trouble.bytes > self._limit:
                    raise UnexplainedSize
                digest.update(block)
                yield block
            if self._length != self.size:
                raise EOFError(f"{self.name!r} ends after {self._length:,} of {self.size:,} bytes")
        except _BROKEN_CONTENT as error:
            self.is_whole = False
            self._trouble.end(error)
        self.sha256 = digest.hexdigest()

    def skip(self) -> None:
        """Read it to its end, for its checksum."""
        for _ in self.blocks():
            pass

    def text(self, most: int = 64 << 20) -> bytes:
        """All its bytes, if it is a small one; more than `most` are dropped."""
        held = bytearray()
        for block in self.blocks():
            if len(held) < most:
                held += block
        return bytes(held[:most])

    def unpack(self, folder: Path, name: str | None = None) -> Path | None:
        """Write it below a folder that only we write to; None if it could not be written there, which is counted."""
        target = folder / (name or self.name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = target.open("xb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            self._trouble.refuse(self.name, "its name clashes with another member's")
            return None
        except ValueError:  # a row that names it may have any text
            self._trouble.refuse(self.name, "its name is not valid")
            return None
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            self._trouble.refuse(self.name, "its name is too long")
            return None
        with file:
            for block in self.blocks():
                file.write(block)
        why = "" if self.is_whole else "it is cut or damaged"
        try:
            os.utime(target, (self.modified, self.modified))
        except (ValueError, OverflowError):  # tar's may be any number, and none
            why = why or "its time is not valid"
        if why:
            target.unlink()
            self._trouble.refuse(self.name, why)
            return None
        target.chmod(stat.S_IMODE(self.mode) & 0o777 | 0o600)
        return target


@contextmanager
def opened(member: ArchiveMember) -> Iterator[IO[bytes]]:
    """A member's bytes as a stream, decompressed if it is a compressed file itself (`x.json.gz`)."""
    raw = io.BufferedReader(_MemberStream(member), BLOCK)
    with decompressed(raw, compression_of(raw.peek(8)[:8])) as stream:
        yield stream


class _MemberStream(io.RawIOBase):
    """A member's blocks with the interface of a file."""

    def __init__(self, member: ArchiveMember) -> None:
        self._blocks = member.blocks()
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._held:
            self._held = memoryview(next(self._blocks, b""))
        taken = min(len(buffer), len(self._held))
        buffer[:taken] = self._held[:taken]
        self._held = self._held[taken:]
        return taken


def _said(error: BaseException) -> str:
    if isinstance(error, (zlib.error, EOFError)) and not str(error):
        return "it ends too early"
    return str(error)[:200] or type(error).__name__
