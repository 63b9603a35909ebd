"""Files below a folder of an SFTP server.

A file is written under `tmp/`, flushed to the server's disk and renamed. Two kinds of rename are needed: `posix-rename@openssh.com`
replaces a file in one step; the plain one fails where the name is taken, which makes it the way to create a file once.
"""

from __future__ import annotations

import errno
import secrets
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import paramiko
from paramiko.sftp import CMD_EXTENDED

from edms_tasks.errors import NoSpace, RepositoryForbidden, RepositoryUnreachable
from edms_tasks.repository.backends.object_store import ListingPage, ObjectPiece
from edms_tasks.repository.backends.sftp_connection import SftpAddress, SftpConnection, sftp_address
from edms_tasks.repository.retention_of_objects import Retention
from edms_tasks.settings import RepositorySettings

_CHUNK = 32 * 1024
_NEARLY_FULL = 1024 * 1024


def open_sftp_store(settings: RepositorySettings) -> SftpStore:
    """The store for an sftp:// URL; the server is not asked yet."""
    return SftpStore(sftp_address(settings.url, settings.options))


class SftpStore:
    """A folder on an SFTP server."""

    def __init__(self, address: SftpAddress) -> None:
        self._connection = SftpConnection(address)
        self._root = address.folder
        self.display = address.display
        self._made: set[str] = set()
        self._mutex = threading.Lock()

    def size(self, name: str) -> int | None:
        """By a STAT request."""
        with self._asking(name) as sftp:
            try:
                found = sftp.stat(self._path(name))
            except FileNotFoundError:
                return None
            return int(found.st_size or 0) if stat.S_ISREG(found.st_mode or 0) else None

    def read(self, name: str, start: int, length: int) -> ObjectPiece:
        """At most `length` bytes, asked for in many requests at once."""
        with self._asking(name) as sftp, sftp.open(self._path(name), "rb") as file:
            total = int(file.stat().st_size or 0)
            wanted = min(length, max(0, total - start))
            data = b"".join(file.readv([(start, wanted)])) if wanted else b""
        return ObjectPiece(bytes(data), total)

    def page(self, folder: str, following: str) -> ListingPage:
        """Everything below a folder."""
        found: list[tuple[str, int]] = []
        with self._asking(folder) as sftp:
            waiting = [folder]
            while waiting:
                here = waiting.pop()
                try:
                    entries = sftp.listdir_attr(self._path(here))
                except FileNotFoundError:
                    continue
                for entry in entries:
                    if stat.S_ISDIR(entry.st_mode or 0):
                        waiting.append(f"{here}/{entry.filename}")
                    else:
                        found.append((f"{here}/{entry.filename}", int(entry.st_size or 0)))
        return ListingPage(tuple(found))

    def top_level(self) -> set[str]:
        """Names in the folder itself."""
        with self._asking("") as sftp:
            try:
                return set(sftp.listdir(self._root))
            except FileNotFoundError:
                return set()

    def put(self, name: str, data: bytes) -> None:
        """Write a file beside, and give it its name."""
        temporary = self.begin(name)
        try:
            self.part(name, temporary, 1, 0, data)
            self.complete(name, temporary, (), len(data))
        except RepositoryUnreachable:
            raise  # nothing can be removed now; the next run sweeps it
        except FileNotFoundError as error:
            raise _swept(self._where(name)) from error
        except BaseException:
            self.abandon(name, temporary)
            raise

    def put_new(self, name: str, data: bytes) -> bool:
        """Write a file beside, and give it its name unless that is taken."""
        temporary = self.begin(name)
        try:
            self.part(name, temporary, 1, 0, data)
            return self._renamed_once(name, temporary, len(data))
        except FileNotFoundError as error:
            raise _swept(self._where(name)) from error

    def _renamed_once(self, name: str, temporary: str, size: int) -> bool:
        with self._asking(name) as sftp:
            self._flush(sftp, temporary, size)
            self._make_folder_of(sftp, name)
            try:
                sftp.rename(self._path(temporary), self._path(name))
            except OSError as error:
                if not self._exists(sftp, name):
                    raise
                sftp.remove(self._path(temporary))
                if error.errno in (errno.EACCES, errno.EPERM):
                    raise
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with self._asking(name) as sftp:
            try:
                sftp.remove(self._path(name))
            except FileNotFoundError:
                pass

    def begin(self, name: str) -> str:
        """An empty file under `tmp/`."""
        temporary = f"tmp/{secrets.token_hex(8)}"
        with self._asking(name) as sftp:
            self._make_folder_of(sftp, temporary)
            sftp.open(self._path(temporary), "wx").close()
        return temporary

    def part(self, name: str, upload: str, number: int, offset: int, data: bytes) -> str:
        """Write at an offset. Many requests are on their way at once; each answer is looked at before this returns."""
        with self._asking(name, writing=True) as sftp, sftp.open(self._path(upload), "r+b", bufsize=0) as file:
            file.set_pipelined(True)
            file.seek(offset)
            for start in range(0, len(data), _CHUNK):
                file.write(data[start : start + _CHUNK])
            written = int(file.stat().st_size or 0)  # answered after all that was sent before
            file._check_exception()  # type: ignore[attr-defined]
            if written < offset + len(data):
                raise OSError(f"The file has {written} of {offset + len(data)} bytes.")
        return ""

    def complete(self, name: str, upload: str, parts: Sequence[str], size: int) -> None:
        """Give the file its name, replacing one of that name."""
        with self._asking(name, writing=True) as sftp:
            try:
                self._flush(sftp, upload, size)
            except FileNotFoundError:
                # An earlier attempt may have renamed it, and its answer was lost.
                if int(sftp.stat(self._path(name)).st_size or 0) != size:
                    raise
                return
            self._make_folder_of(sftp, name)
            try:
                sftp.posix_rename(self._path(upload), self._path(name))
            except OSError as error:
                if "unsupported" not in str(error).lower():
                    raise
                raise RepositoryForbidden(
                    "This SFTP server cannot replace a file in one step.",
                    where=self._where(name),
                    why="It does not know posix-rename@openssh.com.",
                    fix="Use OpenSSH's server, or another that knows it; see docs/storage.md.",
                ) from error

    def abandon(self, name: str, upload: str) -> None:
        """Remove the file under `tmp/`."""
        self.remove(upload)

    def modified(self, name: str) -> datetime:
        """By a STAT request, in whole seconds."""
        with self._asking(name) as sftp:
            return datetime.fromtimestamp(int(sftp.stat(self._path(name)).st_mtime or 0), UTC)

    def age(self, name: str) -> float | None:
        """By the times of the file and of one that is made now, both from the server's clock."""
        probe = self.begin(name)
        with self._asking(name) as sftp:
            now = sftp.stat(self._path(probe)).st_mtime
            sftp.remove(self._path(probe))
            then = sftp.stat(self._path(name)).st_mtime
        return float(now - then) if now is not None and then is not None else None

    def require_immutable(self) -> bool:
        """Not here: `open_backend` refuses the setting."""
        return False

    def retain(self, name: str) -> None:
        """Not here."""

    def retained(self, name: str) -> Retention | None:
        """Never: the server keeps nothing."""
        return None

    # -- within ---------------------------------------------------------------------------------------------

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _where(self, name: str) -> str:
        return f"{self.display}: {name}" if name else self.display

    def _flush(self, sftp: paramiko.SFTPClient, name: str, size: int) -> None:
        """Wait until the file is on the server's disk, as far as the server can say, and see that it is whole."""
        with sftp.open(self._path(name), "r+b") as file:
            try:
                sftp._request(CMD_EXTENDED, "fsync@openssh.com", file.handle)  # type: ignore[attr-defined]
            except OSError as error:
                if "unsupported" not in str(error).lower():
                    raise
            written = int(file.stat().st_size or 0)
            if written != size:
                raise OSError(f"The file has {written} of {size} bytes.")

    def _make_folder_of(self, sftp: paramiko.SFTPClient, name: str) -> None:
        folder = self._path(name).rpartition("/")[0]
        with self._mutex:
            if folder in self._made:
                return
        missing = []
        while folder and not self._is_folder(sftp, folder):
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        for one in reversed(missing):
            try:
                sftp.mkdir(one, 0o700)
            except OSError:
                if not self._is_folder(sftp, one):
                    raise
        with self._mutex:
            self._made.add(self._path(name).rpartition("/")[0])

    def _is_folder(self, sftp: paramiko.SFTPClient, path: str) -> bool:
        try:
            return stat.S_ISDIR(sftp.stat(path).st_mode or 0)
        except FileNotFoundError:
            return False

    def _exists(self, sftp: paramiko.SFTPClient, name: str) -> bool:
        try:
            sftp.stat(self._path(name))
        except FileNotFoundError:
            return False
        return True

    @contextmanager
    def _asking(self, name: str, *, writing: bool = False) -> Iterator[paramiko.SFTPClient]:
        with self._connection.channel() as sftp:
            try:
                yield sftp
            except (FileNotFoundError, TimeoutError, ConnectionError):
                raise
            except PermissionError as error:
                raise RepositoryForbidden(
                    "The user may not read or write this on the server.",
                    where=self._where(name),
                    why=error.strerror or str(error),
                    fix="Give the user of [repository] url the rights in docs/storage.md, or fix the folder.",
                ) from error
            except OSError as error:
                if "closed" in str(error).lower():
                    raise ConnectionError(str(error)) from error
                raise self._failed(sftp, name, error, writing=writing) from error

    def _failed(
        self, sftp: paramiko.SFTPClient, name: str, error: OSError, *, writing: bool
    ) -> NoSpace | RepositoryForbidden:
        """The error for what the server calls a failure; it says no more, so its disk is looked at."""
        said = error.strerror or str(error)
        free = self._free(sftp) if writing else None
        if free is not None and free < _NEARLY_FULL:
            return NoSpace(
                "The server's disk is full.",
                where=self._where(name),
                why=f"{free:,} bytes are free. ({said})",
                fix="Free some space there, and run it again.",
            )
        return RepositoryForbidden(
            "The server could not do it.",
            where=self._where(name),
            why=f"{said}. SFTP says no more."
            + (f" {free:,} bytes are free, so it is no full disk; a quota perhaps." if free is not None else ""),
            fix="Check the folder, its disk and the user's quota on the server.",
        )

    def _free(self, sftp: paramiko.SFTPClient) -> int | None:
        """Free bytes for this user; None if the server does not tell."""
        try:
            _, answer = sftp._request(CMD_EXTENDED, "statvfs@openssh.com", self._root)  # type: ignore[attr-defined]
            numbers = [answer.get_int64() for _ in range(5)]
        except (OSError, EOFError, paramiko.SSHException):
            return None
        return int(numbers[1]) * int(numbers[4])


def _swept(where: str) -> RepositoryUnreachable:
    """A small file that belongs to no backup, such as a lease, is written beside one that sweeps; it is written again."""
    return RepositoryUnreachable(
        "A file was removed by another run while it was written.",
        where=where,
        why="That run swept `tmp/`.",
        fix="Run it again.",
    )
