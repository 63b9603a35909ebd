"""A package: one snapshot in one file, with all that is needed to restore it but the recovery key.

It is a tar without compression, with the files of a repository that has this snapshot alone, as they are stored. So it opens like a
repository: `package:/path/of/the/file` as `[repository] url`. It is never written to.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edms_tasks.durable import NewFile
from edms_tasks.errors import CommandError, DamagedRepository, NoSpace, RepositoryForbidden
from edms_tasks.manifest import Manifest
from edms_tasks.repository.backend import BLOCK, Backend

SCHEME = "package:"
_NAME = re.compile(
    r"config\.json|(keys|signatures|snapshots|records)/[A-Za-z0-9._-]{1,80}\.json|objects/[0-9a-f]{2}/[0-9a-f]{64}"
)
_MOST_MEMBERS = 10_000_000


@dataclass(frozen=True)
class _Member:
    offset: int
    size: int


class PackageBackend(Backend):
    """The files in a package; only read. Members with other names, links and the like are as if they were not there."""

    read_only = True

    def __init__(self, path: Path) -> None:
        self._file = path
        self.display = str(path)
        self._members = _members_of(path)
        if "config.json" not in self._members:
            raise _damaged(path, "It has no config.json.")

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        member = self._members.get(name)
        return member.size if member is not None else None

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file, at most `limit` + 1; raises FileNotFoundError."""
        member = self._member(name)
        with self._file.open("rb") as file:
            file.seek(member.offset)
            return file.read(min(member.size, limit + 1))

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks; raises FileNotFoundError."""
        member = self._member(name)
        with self._file.open("rb") as file:
            file.seek(member.offset)
            left = member.size
            while left:
                block = file.read(min(left, BLOCK))
                if not block:
                    return  # the file became shorter; whoever reads it compares sizes
                left -= len(block)
                yield block

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names of all files below `folder`, sorted, each with its size."""
        for name in sorted(self._members):
            if name.startswith(f"{folder}/"):
                yield name, self._members[name].size

    def top_level(self) -> set[str]:
        """Names of the files and folders at the root."""
        return {name.partition("/")[0] for name in self._members}

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Refused: a package is only read."""
        raise self._refused()

    def create(self, name: str, data: bytes) -> bool:
        """Refused: a package is only read."""
        raise self._refused()

    def remove(self, name: str) -> None:
        """Refused: a package is only read."""
        raise self._refused()

    def _member(self, name: str) -> _Member:
        if (member := self._members.get(name)) is None:
            raise FileNotFoundError(name)
        return member

    def _refused(self) -> RepositoryForbidden:
        return RepositoryForbidden(
            "A package is only read.",
            where=self.display,
            fix="Add its snapshot to a repository to work with it: `edms-backup import FILE`.",
        )


def _members_of(path: Path) -> dict[str, _Member]:
    """The regular files of a package that have names of a repository. Everything in it is hostile: names, sizes, kinds."""
    found: dict[str, _Member] = {}
    try:
        end = path.stat().st_size
        with tarfile.open(path, "r:") as package:
            for number, member in enumerate(package):
                if number >= _MOST_MEMBERS:
                    raise _damaged(path, f"It has more than {_MOST_MEMBERS:,} members.")
                if not member.isreg() or member.issparse() or not _NAME.fullmatch(member.name):
                    continue
                if member.name in found:
                    raise _damaged(path, f"It has two files of the name {member.name}.")
                if member.size < 0 or member.offset_data + member.size > end:
                    raise _damaged(path, f"It ends before its file {member.name} does.")
                found[member.name] = _Member(member.offset_data, member.size)
    except FileNotFoundError as error:
        raise CommandError("There is no such package.", where=str(path), fix="Check the name of the file.") from error
    except OSError as error:
        raise RepositoryForbidden(
            "The package cannot be read.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Check its permissions.",
        ) from error
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    return found


def _damaged(path: Path, why: str) -> DamagedRepository:
    return DamagedRepository(
        "This is not a package of edms-backup, or it is damaged.",
        where=str(path),
        why=why,
        fix="Export it again with `edms-backup export`, or take another copy of the file.",
    )


def write_package(
    source: Backend,
    snapshot_id: str,
    manifest: Manifest,
    stored_name: Callable[[Any], str],
    path: Path,
    progress: Callable[[int, int], None],
) -> int:
    """Write a snapshot's files into a package, which appears only when it is complete; returns its size in bytes.

    Raises:
        CommandError: the file exists, or cannot be written.
        DamagedRepository: an object is missing.
    """
    if path.exists():
        raise CommandError("The file exists.", where=str(path), fix="Name another file, or remove it.")
    names = ["config.json", *(name for name, _ in source.names("keys"))]
    names += [f"signatures/{snapshot_id}.json"] if source.size(f"signatures/{snapshot_id}.json") is not None else []
    names += [f"snapshots/{snapshot_id}.json", *sorted(stored_name(ref) for ref in manifest.objects().values())]
    try:
        with (
            NewFile(path) as file,
            tarfile.open(fileobj=_Writer(file.write), mode="w|", format=tarfile.PAX_FORMAT) as package,
        ):
            for name in names:
                size = source.size(name)
                if size is None:
                    raise DamagedRepository(
                        "A file of the snapshot is missing.",
                        where=f"{source.display}: {name}",
                        fix="Run `edms-backup verify`, and export another snapshot.",
                    )
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = size, 0o600, int(manifest.created.timestamp())
                package.addfile(member, _Reader(source.blocks(name)))  # type: ignore[arg-type]
                progress(1, size)
            package.close()
            file.put_in_place()
    except OSError as error:
        kind = NoSpace if error.errno == 28 else CommandError
        raise kind(
            "The package cannot be written.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Name a file on a disk with enough space, in a folder that this user can write.",
        ) from error
    return path.stat().st_size


class _Writer(io.RawIOBase):
    """A function as a file to write."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        super().__init__()
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._write(bytes(data))
        return len(data)


class _Reader:
    """Blocks as a file to read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._left = blocks, b""

    def read(self, size: int) -> bytes:
        """The next bytes."""
        while len(self._left) < size and (block := next(self._blocks, b"")):
            self._left += block
        taken, self._left = self._left[:size], self._left[size:]
        return taken
