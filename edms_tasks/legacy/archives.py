"""The members of an old backup's archive (tar, compressed or not; zip) or folder, one after the other, safe from what a hostile one does.

Names that lead out, links, devices, sparse files, clashes and bombs are not unpacked, but counted in `ArchiveTrouble`. Python's tarfile
ends without a word where a header is damaged: here it is noticed, since a whole archive ends with a block of zeros.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.source import DAMAGED, Source, compression_of, decompressed, is_damage

_BLOCK = 1 << 20
_LONGEST_READ = 16 << 20  # a header that claims more is hostile or damaged
_MOST_MEMBERS = 20_000_000
_EXPANSION, _ALLOWED = 1100, 1 << 30  # gzip cannot make more than 1032 bytes of one
_EXAMPLES = 5
_BROKEN = (*DAMAGED, tarfile.TarError, zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError)


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
            while block := self._stream.read(_BLOCK):
                self._length += len(block)
                self._trouble.bytes += len(block)
                if self._trouble.bytes > self._limit:
                    raise ValueError("it unpacks to more than its size can explain")
                digest.update(block)
                yield block
            if self._length != self.size:
                raise EOFError(f"{self.name!r} ends after {self._length:,} of {self.size:,} bytes")
        except _BROKEN as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            self.is_whole = False
            self._trouble.damage = self._trouble.damage or _said(error)
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
            with target.open("xb") as file:
                for block in self.blocks():
                    file.write(block)
            if not self.is_whole:
                target.unlink()
                self._trouble.refuse(self.name, "it is cut or damaged")
                return None
            os.utime(target, (self.modified, self.modified))
            target.chmod(stat.S_IMODE(self.mode) & 0o777 | 0o600)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            self._trouble.refuse(self.name, "its name clashes with another member's")
            return None
        except (ValueError, OverflowError):
            self._trouble.refuse(self.name, "its name or time is not valid")
            return None
        except OSError as error:
            if error.errno is None or error.strerror is None or "too long" not in error.strerror:
                raise
            self._trouble.refuse(self.name, "its name is too long")
            return None
        return target


class _MemberStream:
    """A member's blocks with the interface of a file; never longer than the member."""

    def __init__(self, member: ArchiveMember) -> None:
        self._blocks = member.blocks()
        self._held = b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._held) < size:
            block = next(self._blocks, b"")
            if not block:
                break
            self._held += block
        size = len(self._held) if size < 0 else size
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def readline(self, size: int = -1) -> bytes:
        while b"\n" not in self._held and (size < 0 or len(self._held) < size):
            block = next(self._blocks, b"")
            if not block:
                break
            self._held += block
        end = self._held.find(b"\n") + 1 or len(self._held)
        return self.read(min(end, size) if size >= 0 else end)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self._blocks.close()  # type: ignore[attr-defined]


@contextmanager
def opened(member: ArchiveMember) -> Iterator[IO[bytes]]:
    """A member's bytes as a stream, decompressed if it is a compressed file itself (`x.json.gz`)."""
    raw: Any = _MemberStream(member)
    raw._held = next(raw._blocks, b"")
    with decompressed(raw, compression_of(raw._held[:8])) as stream:
        yield stream


def is_archive(source: Source) -> str:
    """ "tar" or "zip" by its content, "folder", or ""."""
    if source.is_folder:
        return "folder"
    if source.head[257:262] == b"ustar" or (len(source.head) >= 512 and _is_old_tar(source.head[:512])):
        return "tar"
    return "zip" if source.head.startswith(b"PK\x03\x04") else ""


def first_names(source: Source, most: int = 200) -> list[str]:
    """The names of the first members, for recognising; never raises for what is in the file."""
    names: list[str] = []
    for member in members(source, ArchiveTrouble("")):
        names.append(member.name)
        if len(names) == most:
            break
    return names


def members(source: Source, trouble: ArchiveTrouble) -> Iterator[ArchiveMember]:
    """The files of an archive or a folder in their order. Read a member before the next is asked for."""
    limit = source.size * _EXPANSION + _ALLOWED
    known: set[bytes] = set()
    kind = is_archive(source)
    of_kind = {"folder": _of_folder, "tar": _of_tar, "zip": _of_zip}.get(kind, _of_nothing)
    trouble.is_checked = kind == "zip" or source.is_checked
    for member in of_kind(source, trouble, limit):
        # Names of a million members take no more than their hashes.
        key = hashlib.blake2b(os.fsencode(member.name), digest_size=16).digest()
        if key in known:
            trouble.refuse(member.name, "its name clashes with another member's")
            continue
        known.add(key)
        trouble.members += 1
        if trouble.members > _MOST_MEMBERS:
            trouble.damage = f"it has more than {_MOST_MEMBERS:,} members"
            return
        yield member
        if trouble.damage:
            return


def clean_name(name: str) -> str | None:
    """A member's name as a relative path; None if it leads out of the folder."""
    if not name or "\0" in name or name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        return None
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    return None if ".." in parts or not parts else "/".join(parts)


def _of_nothing(source: Source, trouble: ArchiveTrouble, limit: int) -> Iterator[ArchiveMember]:
    trouble.damage = "it is empty (0 bytes)" if not source.size else "it is no archive"
    yield from ()


def _of_tar(source: Source, trouble: ArchiveTrouble, limit: int) -> Iterator[ArchiveMember]:
    with source.open() as stream:
        guarded = _Guarded(stream, limit)
        try:
            with tarfile.open(fileobj=guarded, mode="r:", encoding="utf-8", errors="surrogateescape") as archive:  # type: ignore[call-overload]
                while (info := archive.next()) is not None:
                    archive.members.clear()  # it would keep every header
                    if info.isdir():
                        continue
                    why = _why_refused(info)
                    name = clean_name(info.name)
                    if name is None or why:
                        trouble.refuse(info.name, why or "its name leads out of the folder")
                        continue
                    content = archive.extractfile(info)
                    assert content is not None  # it is a regular file
                    yield ArchiveMember(name, info.size, info.mode, info.mtime, content, trouble, limit)
                if not trouble.damage:
                    trouble.damage = _end_of_tar(guarded, archive.offset)
        except _BROKEN as error:
            if isinstance(error, OSError) and not is_damage(error):
                raise
            trouble.damage = trouble.damage or _said(error)


def _why_refused(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "it is a link"
    if info.issparse():
        return "it is a sparse file"
    if not info.isreg():
        return "it is a device, a pipe, or of an unknown type"
    return ""


def _end_of_tar(stream: _Guarded, offset: int) -> str:
    """Why an archive that seems to end here does not end as a whole one does; "" if it does."""
    stream.seek(offset)
    block = stream.read(512)
    if len(block) == 512 and not block.strip(b"\0"):
        while stream.read(_BLOCK):  # to the end, where a compressed stream's checksum stands
            pass
        return ""
    return "it ends without the block that ends an archive" if len(block) < 512 else "the header of a member is damaged"


def _of_zip(source: Source, trouble: ArchiveTrouble, limit: int) -> Iterator[ArchiveMember]:
    try:
        with zipfile.ZipFile(source.path) as archive:
            for info in archive.infolist():
                if info.is_dir():
                    continue
                name = clean_name(info.filename)
                kind = stat.S_IFMT(info.external_attr >> 16)
                why = "it is a link" if kind not in (0, stat.S_IFREG) else ""
                why = "it is encrypted" if info.flag_bits & 1 else why
                if name is None or why:
                    trouble.refuse(info.filename, why or "its name leads out of the folder")
                    continue
                with archive.open(info) as content:
                    modified = _zip_time(info)
                    mode = (info.external_attr >> 16) & 0o777 or 0o644
                    yield ArchiveMember(name, info.file_size, mode, modified, content, trouble, limit)
    except (*_BROKEN, RuntimeError) as error:
        if isinstance(error, OSError) and not is_damage(error):
            raise
        trouble.damage = trouble.damage or _said(error)


def _zip_time(info: zipfile.ZipInfo) -> float:
    import calendar

    try:
        return float(calendar.timegm((*info.date_time, 0, 0, 0)))
    except (ValueError, OverflowError):
        return 0.0


def _of_folder(source: Source, trouble: ArchiveTrouble, limit: int) -> Iterator[ArchiveMember]:
    """The files below a folder; a folder has no bound of its own, since it lies unpacked on the disk."""
    for folder, names, files in os.walk(source.path, onerror=_raise):
        names.sort()
        for name in [one for one in names if (Path(folder) / one).is_symlink()]:
            names.remove(name)
            trouble.refuse(name, "it is a link")
        for name in sorted(files):
            path = Path(folder) / name
            facts = path.lstat()
            if not stat.S_ISREG(facts.st_mode):
                trouble.refuse(name, "it is a link" if stat.S_ISLNK(facts.st_mode) else "it is a device or a pipe")
                continue
            with path.open("rb") as content:
                relative = path.relative_to(source.path).as_posix()
                yield ArchiveMember(relative, facts.st_size, facts.st_mode, facts.st_mtime, content, trouble, 1 << 62)


def _raise(error: OSError) -> None:
    raise error


def _is_old_tar(head: bytes) -> bool:
    """Whether a block is the header of a tar file without a magic (version 7)."""
    try:
        return bool(tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape").name)
    except (tarfile.TarError, ValueError):
        return False


def _said(error: BaseException) -> str:
    if isinstance(error, (zlib.error, EOFError)) and not str(error):
        return "it ends too early"
    return str(error)[:200] or type(error).__name__


class _Guarded:
    """A stream that refuses single reads of headers without bound, and more bytes than the archive can explain."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self._at = stream, limit, 0

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _LONGEST_READ:
            raise tarfile.ReadError("a header claims more than 16 MB")
        block = self._stream.read(size)
        self._at += len(block)
        if self._at > self._limit:
            raise tarfile.ReadError("it unpacks to more than its size can explain")
        return block

    def tell(self) -> int:
        return self._at

    def seek(self, position: int, whence: int = 0) -> int:
        """Forwards by reading, so that the data that is passed over is checked too; backwards not at all."""
        if position < self._at:
            if self._at - position <= 512 and self._stream.seekable():
                self._stream.seek(position)
                self._at = position
                return position
            raise tarfile.ReadError("a member stands before the place it was sought from")
        while self._at < position:
            block = self.read(min(_BLOCK, position - self._at))
            if not block:
                break
        return self._at
