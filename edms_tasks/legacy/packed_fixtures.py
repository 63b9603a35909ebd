"""Fixtures in a zip or tar, and the files of roots beside fixtures (`files/<root>/…`), as `export --format dumpdata` writes them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archive_members import BLOCK, ArchiveMember, ArchiveTrouble, opened
from edms_tasks.legacy.archives import beginning, is_archive, members
from edms_tasks.legacy.checksum_beside import SUFFIXES_OF_CHECKSUMS
from edms_tasks.legacy.old_backup import FileFolder, Scratch
from edms_tasks.legacy.source import Source, read_block
from edms_tasks.legacy.unpacked_folders import UnpackedFolders

FILES = "files"
_HEAD = 1 << 16
_EXAMPLES = 5
_COMPRESSIONS = (".gz", ".bz2", ".xz", ".lzma", ".zst")

KindOf = Callable[[bytes], str | None]
ReadRows = Callable[[IO[bytes], str, str, bool], list[Finding]]
"""(stream, kind, name, whether a checksum covers it) -> what is wrong with a fixture, whose rows were taken."""


def is_named(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file is named like a fixture, compressed or not."""
    plain = name.lower()
    for suffix in _COMPRESSIONS:
        plain = plain.removesuffix(suffix)
    return plain.endswith(suffixes)


def first_fixture(source: Source, suffixes: tuple[str, ...], kind_of: KindOf) -> tuple[str, str] | None:
    """Name and kind of the first fixture at the top of an archive, or in the one folder there; None if there is none."""
    if is_archive(source) not in ("zip", "tar"):
        return None
    for member in beginning(source):
        if member.name.count("/") < 2 and is_named(member.name, suffixes):
            with _begun(member) as (_, head):
                kind = kind_of(head)
            if kind is not None:
                return member.name, kind
    return None


@dataclass
class PackedFixtures:
    """Reads all fixtures of an archive, and the files of roots."""

    scratch: Scratch
    suffixes: tuple[str, ...]
    kind_of: KindOf
    read: ReadRows
    fixtures: int = 0
    found: list[Finding] = field(default_factory=list)
    _lost: list[str] = field(default_factory=list)

    def take(self, source: Source, *, proved: bool) -> tuple[FileFolder, ...]:
        """Read it; returns the folders of files."""
        trouble, folders = ArchiveTrouble(source.path.name), UnpackedFolders(self.scratch)
        for member in members(source, trouble):
            if not keep_file(member, folders):
                self._fixture(member, checked=proved or trouble.is_checked)
        self.found += trouble.findings()
        self.found += _not_converted(source, self._lost)
        return folders.finish()

    def _fixture(self, member: ArchiveMember, *, checked: bool) -> None:
        if not is_named(member.name, self.suffixes):
            member.skip()
            if not member.name.endswith(SUFFIXES_OF_CHECKSUMS):
                self._lost.append(member.name)
            return
        with _begun(member) as (stream, head):
            kind = self.kind_of(head)
            if kind is None:
                self._lost.append(f"{member.name}: no rows are recognised in it")
            else:
                self.fixtures += 1
                self.found += self.read(stream, kind, member.name, checked)
        member.skip()


def files_beside(source: Source, scratch: Scratch) -> tuple[tuple[FileFolder, ...], list[Finding]]:
    """The files of roots in the folder `files` beside fixtures, and what is wrong with them."""
    folder = Source(source.path / FILES)
    if not folder.path.is_dir() or folder.path.is_symlink():
        return (), []
    folders, trouble, lost = UnpackedFolders(scratch), ArchiveTrouble(f"{source.path.name}/{FILES}"), list[str]()
    for path in sorted(folder.path.iterdir()):
        if path.is_dir() and not path.is_symlink():
            folders.begin(path.name)
    for member in members(folder, trouble):
        if not keep_file(member, folders, inside=True):
            lost.append(f"{FILES}/{member.name}")
    return folders.finish(), [*trouble.findings(), *_not_converted(source, lost)]


def _not_converted(source: Source, lost: list[str]) -> list[Finding]:
    if not lost:
        return []
    shown = tuple(lost[:_EXAMPLES])
    return [make_finding("old-not-converted", source.path.name, severity="error", count=len(lost), examples=shown)]


def keep_file(member: ArchiveMember, folders: UnpackedFolders, *, inside: bool = False) -> bool:
    """Put a file below `files/<root>/` into its folder; False for another one. `inside`: its name begins with that of the root."""
    parts = member.name.split("/")
    if not inside:
        at = next((at for at in (0, 1) if len(parts) > at + 2 and parts[at] == FILES), None)
        if at is None:
            return False
        parts = parts[at + 1 :]
    if len(parts) < 2:
        return False
    folders.keep(member, parts[0], "/".join(parts[1:]))
    return True


@contextmanager
def _begun(member: ArchiveMember) -> Iterator[tuple[IO[bytes], bytes]]:
    """A member's stream, decompressed, and its first 64 KB."""
    with opened(member) as stream:
        held, _ = read_block(stream, _HEAD)  # the reader of the rows meets damage again
        yield io.BufferedReader(_Again(held, stream), BLOCK), held


class _Again(io.RawIOBase):
    """A stream of which the beginning was read."""

    def __init__(self, held: bytes, stream: IO[bytes]) -> None:
        self._held, self._stream = held, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._held[: len(buffer)] or self._stream.read(len(buffer))
        self._held = self._held[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)
