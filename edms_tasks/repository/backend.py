"""A folder of named bytes on any fsspec file system: the only interface that the repository needs.

A write is atomic: the name appears with all its bytes or not at all. On a local file system it is also durable when
`write` returns: file and folder have been synced. Exceptions of the file system become `EdmsBackupError`s.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from edms_tasks.durable import NewFile, private_folder
from edms_tasks.errors import NoSpace, RepositoryForbidden, RepositoryUnreachable, SettingsError
from edms_tasks.settings import RepositorySettings

BLOCK = 1024 * 1024

# Object stores make an upload visible only when it is complete; a rename there would copy every byte again.
_ATOMIC_UPLOAD = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "adl"})


def open_backend(settings: RepositorySettings) -> Backend:
    """The backend for the URL in the settings; nothing is read or written yet."""
    display = _without_secrets(settings.url)
    options = {name: value.get_secret_value() for name, value in settings.options.items()}
    try:
        file_system, root = url_to_fs(settings.url, **options)
    except (ImportError, ValueError, TypeError) as error:
        raise SettingsError(
            "The repository's address cannot be used.",
            where=display,
            why=str(error) if isinstance(error, ImportError) else type(error).__name__,
            fix="Install the fsspec package for this kind of address, or fix [repository] url and options.",
        ) from error
    if isinstance(file_system, LocalFileSystem):
        return LocalBackend(file_system, root, root)
    return Backend(file_system, root, display)


class Backend:
    """A folder on any fsspec file system."""

    local_folder: Path | None = None

    def __init__(self, file_system: AbstractFileSystem, root: str, display: str) -> None:
        self._fs = file_system
        self._root = root.rstrip("/")
        self.display = display
        protocols = (file_system.protocol,) if isinstance(file_system.protocol, str) else file_system.protocol
        self._atomic_upload = bool(_ATOMIC_UPLOAD.intersection(protocols))

    def size(self, name: str) -> int | None:
        """The size of a file in bytes; None if it does not exist."""
        with self.translating(name):
            try:
                found = self._fs.info(self._path(name))
            except (FileNotFoundError, NotADirectoryError):
                return None
            return int(found["size"]) if found["type"] == "file" else None

    def modified(self, name: str) -> datetime:
        """When a file was written, by the clock of the place it is in; raises FileNotFoundError."""
        with self.translating(name):
            found: datetime = self._fs.modified(self._path(name))
            return found if found.tzinfo else found.replace(tzinfo=UTC)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file, at most `limit` + 1; raises FileNotFoundError."""
        with self.translating(name), self._fs.open(self._path(name), "rb") as file:
            data: bytes = file.read(limit + 1)
            return data

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks of at most `BLOCK` bytes; raises FileNotFoundError."""
        with self.translating(name):
            file = self._fs.open(self._path(name), "rb", block_size=BLOCK)
        try:
            while True:
                with self.translating(name):
                    block: bytes = file.read(BLOCK)
                if not block:
                    return
                yield block
        finally:
            file.close()

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        """Names of all files below `folder`, sorted, each with its size in bytes."""
        with self.translating(folder):
            self._fs.invalidate_cache()
            try:
                found = self._fs.find(self._path(folder), detail=True)
            except FileNotFoundError:
                found = {}
        for path in sorted(found):
            yield str(path)[len(self._root) :].lstrip("/"), int(found[path]["size"] or 0)

    def top_level(self) -> set[str]:
        """Names of the files and folders at the root of the backend."""
        with self.translating(""):
            self._fs.invalidate_cache()
            try:
                return {PurePosixPath(str(path)).name for path in self._fs.ls(self._root, detail=False)}
            except FileNotFoundError:
                return set()

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write a file atomically, replacing an existing one."""
        if self._atomic_upload:
            # All bytes are collected first: closing an upload whose source failed would publish a partial file.
            data = b"".join(blocks)
            with self.translating(name):
                self._fs.pipe_file(self._path(name), data)
            return
        temporary = f"tmp/{secrets.token_hex(8)}"
        try:
            with self.translating(name):
                self._fs.makedirs(self._path("tmp"), exist_ok=True)
                file = self._fs.open(self._path(temporary), "wb")
            try:
                for block in blocks:
                    with self.translating(name):
                        file.write(block)
            finally:
                with self.translating(name):
                    file.close()
            with self.translating(name):
                self._fs.makedirs(self._fs._parent(self._path(name)), exist_ok=True)
                self._fs.mv(self._path(temporary), self._path(name))
        except BaseException:
            self.remove(temporary)
            raise

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it exists; False if it does."""
        with self.translating(name):
            if not self._atomic_upload:
                self._fs.makedirs(self._fs._parent(self._path(name)), exist_ok=True)
            try:
                self._fs.pipe_file(self._path(name), data, mode="create")
            except FileExistsError:
                return False
            return True

    def remove(self, name: str) -> None:
        """Remove the file if it exists."""
        with self.translating(name):
            try:
                self._fs.rm_file(self._path(name))
            except FileNotFoundError:
                pass

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def translating(self, name: str) -> Iterator[None]:
        """Turn the file system's exceptions into our own errors, except FileNotFoundError, which callers handle."""
        where = f"{self.display}: {name}" if name else self.display
        try:
            yield
        except FileNotFoundError:
            raise
        except PermissionError as error:
            raise RepositoryForbidden(
                "This user may not read or write the repository.",
                where=where,
                why=error.strerror or type(error).__name__,
                fix="Give this user read and write access to the repository, or fix [repository] options.",
            ) from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(
                    "The repository's disk is full.",
                    where=where,
                    why=why,
                    fix="Free some space there, and run it again.",
                ) from error
            if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.ENAMETOOLONG):
                raise RepositoryForbidden(
                    "The repository's folder cannot be written.", where=where, why=why, fix="Fix [repository] url."
                ) from error
            raise RepositoryUnreachable(
                "The repository does not answer.",
                where=where,
                why=why,
                fix="Check that its server or disk is available, and run it again.",
            ) from error


class LocalBackend(Backend):
    """A folder on this machine: private to its user, and durable when a write returns."""

    def __init__(self, file_system: AbstractFileSystem, root: str, display: str) -> None:
        super().__init__(file_system, root, display)
        self.local_folder = Path(root)

    def write(self, name: str, blocks: Iterable[bytes]) -> None:
        """Write to a temporary file, sync it, rename it, sync the folder."""
        target = Path(self._path(name))
        with self._new_file(name, target) as file:
            for block in blocks:  # outside `translating`: an error of the source is not the repository's
                with self.translating(name):
                    file.write(block)
            with self.translating(name):
                file.put_in_place()

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless it exists; False if it does."""
        target = Path(self._path(name))
        with self._new_file(name, target) as file, self.translating(name):
            file.write(data)
            return file.put_where_nothing_is()

    def _new_file(self, name: str, target: Path) -> NewFile:
        with self.translating(name):
            return NewFile(target, made_in=private_folder(Path(self._path("tmp"))))


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc and not parts.query:
        return url
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1], query="").geturl()
