"""The members of an old backup's archive (tar, compressed or not; zip) or folder, one after the other, safe from what a hostile one does.

Names that lead out, links, devices, sparse files, clashes and bombs are not unpacked, but counted in `ArchiveTrouble`. Python's tarfile
ends without a word where a header is damaged: here it is noticed, since a whole archive ends with a block of zeros.
"""

from __future__ import annotations

import calendar
import hashlib
import itertools
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from edms_tasks.legacy.archive_members import BLOCK, BROKEN, ArchiveMember, ArchiveTrouble, UnexplainedSize
from edms_tasks.legacy.source import Source

_LONGEST_READ = 16 << 20  # a header that claims more is hostile or damaged
_MOST_MEMBERS = 20_000_000
_MOST_NAMES = 1_000_000
_FEWEST, _BEGINNING = 200, 256 << 20  # members and bytes
_EXPANSION, _ALLOWED = 1100, 1 << 30  # gzip cannot make more than 1032 bytes of one


def is_archive(source: Source) -> str:
    """ "tar" or "zip" by its content, "folder", or ""."""
    if source.is_folder:
        return "folder"
    if source.head[257:262] == b"ustar" or (len(source.head) >= 512 and _is_old_tar(source.head[:512])):
        return "tar"
    return "zip" if source.head.startswith(b"PK\x03\x04") else ""


def beginning(source: Source) -> Iterator[ArchiveMember]:
    """The members by which a format is recognised: all of a zip or folder, and of a tar, which is read through, the first 256 MiB.

    At least 200 members, however large they are: exports put thousands of small files before what says what they are.
    """
    passed, is_read_through = 0, is_archive(source) == "tar"
    for number, member in enumerate(members(source, ArchiveTrouble(""))):
        if is_read_through and number >= _FEWEST and passed > _BEGINNING:
            return
        passed += member.size
        yield member


def first_names(source: Source) -> list[str]:
    """The names of the members by which a format is recognised; never raises for what is in the file."""
    return [member.name for member in itertools.islice(beginning(source), _MOST_NAMES)]


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


def zip_names(source: Source) -> frozenset[str]:
    """The names in a zip, folders included; none if its directory is damaged."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            return frozenset(archive.namelist()[:_MOST_NAMES])
    except BROKEN as error:
        ArchiveTrouble("").end(error)
        return frozenset()


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
        except BROKEN as error:
            trouble.end(error)


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
        while stream.read(BLOCK):  # to the end, where a compressed stream's checksum stands
            pass
        return ""
    return "it ends without the block that ends an archive" if len(block) < 512 else "the header of a member is damaged"


def _of_zip(source: Source, trouble: ArchiveTrouble, limit: int) -> Iterator[ArchiveMember]:
    try:
        with zipfile.ZipFile(source.path) as archive:
            for info in archive.infolist():
                if info.filename.endswith("/"):  # is_dir() fails for a name that is empty
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
    except BROKEN as error:
        trouble.end(error)


def _zip_time(info: zipfile.ZipInfo) -> float:
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
            raise UnexplainedSize
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
            block = self.read(min(BLOCK, position - self._at))
            if not block:
                break
        return self._at
