"""A folder of named bytes: the only interface that the repository needs, and what any fsspec file system makes of it.

S3 and SFTP have requests of their own in `backends/`. A write is atomic: the name appears with all its bytes or not at all. On a
local file system it is also durable when `write` returns: file and folder have been synced. Exceptions of the file system become
`EdmsBackupError`s.
"""

from __future__ import annotations

import errno
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from edms_tasks.durable import NewFile, is_being_written, private_folder
from edms_tasks.errors import NoSpace, RepositoryForbidden, RepositoryUnreachable, SettingsError
from edms_tasks.repository.retention_of_objects import Retention
from edms_tasks.settings import RepositorySettings

BLOCK = 1024 * 1024

# Object stores make an upload visible only when it is complete; a rename there would copy every byte again.
_ATOMIC_UPLOAD = frozenset({"gs", "gcs", "az", "abfs", "adl"})
_S3, _SFTP = frozenset({"s3", "s3a"}), frozenset({"sftp", "ssh"})


def open_backend(settings: RepositorySettings) -> Backend:
    """The backend for the URL in the settings; nothing is read or written yet."""
    if settings.url.startswith("package:"):
        from edms_tasks.repository.package_file import SCHEME, PackageBackend  # it is a backend itself

        return PackageBackend(Path(settings.url.removeprefix(SCHEME)))
    scheme = urlsplit(settings.url).scheme
    display = _without_secrets(settings.url)
    if settings.immutable_days is not None and scheme not in _S3:
        raise SettingsError(
            "This repository cannot be made immutable.",
            where=f"{display}: [repository] immutable_days",
            why="Only S3 stores have object lock.",
            fix="Use a bucket with object lock, or remove the setting and protect the folder otherwise: docs/storage.md.",
        )
    if scheme in _S3 | _SFTP:
        from edms_tasks.repository.backends.opening import open_store_backend

        return open_store_backend(settings)
    if settings.upload_limit is not None or settings.download_limit is not None:
        raise SettingsError(
            "The bandwidth to this repository cannot be limited.",
            where=f"{display}: [repository] upload_limit, download_limit",
            why="Limits are for S3 and SFTP.",
            fix="Remove the settings.",
        )
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
    """A folder on any fsspec file system; other backends replace its methods."""

    local_folder: Path | None = None
    read_only = False

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

    def opened(self, name: str) -> tuple[int, Iterator[bytes]]:
        """The size of a file and its bytes in blocks; raises FileNotFoundError."""
        size = self.size(name)
        if size is None:
            raise FileNotFoundError(name)
        return size, self.blocks(name)

    def size_when_listed(self, name: str) -> int | None:
        """The size of a file; within `listed_once` it may come from a listing that is as old as that."""
        return self.size(name)

    def listed_once(self) -> AbstractContextManager[None]:
        """While no other run adds or removes files, a server is asked what there is only once."""
        return nullcontext()

    def refuses_to_replace(self, name: str, data: bytes) -> bool:
        """Whether `create` is one step here, so that of two runs only one can create a file; tried on one that exists."""
        return True

    def age(self, name: str) -> float | None:
        """Seconds since a file was written, by the server's clock; None if it does not tell."""
        probe = f"locks/clock-{secrets.token_hex(8)}"
        try:
            self.write(probe, [b""])
            try:
                return (self.modified(probe) - self.modified(name)).total_seconds()
            finally:
                self.remove(probe)
        except (NotImplementedError, FileNotFoundError):
            return None

    retains: bool = False
    """Whether what is written is kept from being changed or removed for some days."""

    def retain(self, names: Iterable[str]) -> None:
        """Keep files from being changed or removed for the days in the settings, counted from now."""

    def retained(self, name: str) -> Retention | None:
        """How a file is kept from being changed or removed; None if it is not. Raises FileNotFoundError."""
        return None

    def require_immutable(self) -> None:
        """Raise SettingsError if the store cannot keep files for the days in the settings."""

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

    def is_being_written(self, name: str) -> bool:
        """Whether a process is writing this temporary file at the moment; False where nobody can tell."""
        return False

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
            if error.errno == errno.EROFS:
                raise RepositoryForbidden(
                    "The repository is on a disk that is mounted read-only.",
                    where=where,
                    why=why,
                    fix="Remount it for writing; a disk with errors is mounted so by the system: look into its log.",
                ) from error
            if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG):
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

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of a file, at most `limit` + 1; raises FileNotFoundError, also for what is no file: a pipe would wait for ever."""
        self._require_file(name)
        return super().read(name, limit)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a file in blocks; raises FileNotFoundError, also for what is no file."""
        self._require_file(name)
        yield from super().blocks(name)

    def _require_file(self, name: str) -> None:
        with self.translating(name):
            path = Path(self._path(name))
            if not stat.S_ISREG(path.stat().st_mode):
                raise FileNotFoundError(name)

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

    def is_being_written(self, name: str) -> bool:
        """Whether a process of this machine is writing this temporary file: leases, log and reports are written without the lock."""
        return is_being_written(Path(self._path(name)))

    def _new_file(self, name: str, target: Path) -> NewFile:
        with self.translating(name):
            return NewFile(target, made_in=private_folder(Path(self._path("tmp"))))


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc and not parts.query:
        return url
    return parts._replace(netloc=parts.netloc.rsplit("@", 1)[-1], query="").geturl()
