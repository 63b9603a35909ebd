"""The objects below a prefix of an S3-compatible store, to be listed, read, written, copied and removed by their keys.

Requests that get no answer are made again; each may be. The store's errors are said in the words of `[files]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import SecretStr

from edms_tasks.errors import EdmsBackupError, SettingsError
from edms_tasks.repository.backends.kept_headers import Headers
from edms_tasks.repository.backends.object_store import T
from edms_tasks.repository.backends.retrying import Retrying
from edms_tasks.repository.backends.s3_files import FoundObject, ReadObject
from edms_tasks.repository.backends.s3_store import s3_client
from edms_tasks.repository.backends.s3_writing import S3Writing
from edms_tasks.repository.backends.store_backend import PART, in_parts

LONGEST_KEY = 1024
"""So many bytes may a key have in S3."""

_SCHEMA = pa.schema([("key", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("tag", pa.uint64())])
_LARGEST_COPY = 5 * 1024**3  # the store copies no more in one request
_COPIED_PART = 1024**3


@dataclass(frozen=True)
class Listed:
    """What a listing had: how much, and two hashes of it.

    Args:
        objects: how many.
        bytes: how many in all.
        contents: of keys, sizes and ETags.
        identity: of these and of the times at which they were written.
    """

    objects: int
    bytes: int
    contents: str
    identity: str


class StorePlace(Retrying):
    """The objects below a prefix.

    Args:
        store: the bucket, with the prefix.
        url: its address.
        name: the name of the root that it belongs to, for messages.
    """

    def __init__(self, store: S3Writing, url: str, name: str) -> None:
        super().__init__(store)
        self._files, self.url, self._name = store, url, name

    # -- listed and read ------------------------------------------------------------------------------------

    def list_into(self, path: Path) -> Listed:
        """List the objects into a Parquet file: key, size, mtime_ns and tag, which is made of the ETag."""
        following, count, size = "", 0, 0
        contents, identity = hashlib.sha256(), hashlib.sha256()
        with pq.ParquetWriter(path, _SCHEMA, compression="lz4") as writer:
            while True:
                found, following = self.objects(following)
                rows = [(one.key, one.size, nanoseconds(one.modified), tag_of(one.etag)) for one in found if one.key]
                columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in _SCHEMA]
                writer.write_table(pa.table(columns, schema=_SCHEMA))
                count += len(rows)
                for key, length, mtime_ns, tag in rows:
                    line = f"{key}\0{length}\0{tag}\n".encode()
                    contents.update(line)
                    identity.update(line + str(mtime_ns).encode())
                    size += length
                if not following:
                    return Listed(count, size, contents.hexdigest(), identity.hexdigest())

    def objects(self, following: str) -> tuple[tuple[FoundObject, ...], str]:
        """See `S3Files.objects`."""
        return self._patient(lambda: self._files.objects(following))

    def piece(self, key: str, etag: str, start: int, length: int) -> ReadObject:
        """See `S3Files.piece`."""
        return self._patient(lambda: self._files.piece(key, etag, start, length))

    def is_empty(self) -> bool:
        """Whether there is no object."""
        return not any(one.key for one in self.objects("")[0])

    def hash_of(self, key: str) -> tuple[int, str]:
        """Size and SHA-256 of an object, of which all is read. Raises FileNotFoundError, also if it was replaced meanwhile."""
        return self.read_through(key)[:2]

    def read_through(self, key: str) -> tuple[int, str, Headers]:
        """Size, SHA-256 and headers of an object; see `hash_of`."""
        digest, size = hashlib.sha256(), 0
        headers: Headers = {}
        for piece in self._pieces(key):
            headers = headers or piece.headers
            digest.update(piece.data)
            size += len(piece.data)
        return size, digest.hexdigest(), headers

    def look_up(self, key: str) -> ReadObject | None:
        """Size, time and ETag of an object as it is now, with its first byte; None if there is none."""
        try:
            return self.piece(key, "", 0, 1)
        except FileNotFoundError:
            return None

    def read_small(self, key: str) -> bytes:
        """All of a small object; raises FileNotFoundError."""
        return self.piece(key, "", 0, PART).data

    def blocks(self, key: str) -> Iterator[bytes]:
        """An object from beginning to end, of one version. Raises FileNotFoundError, also if it was replaced meanwhile."""
        yield from (piece.data for piece in self._pieces(key))

    def _pieces(self, key: str) -> Iterator[ReadObject]:
        size, etag = 0, ""
        while True:
            piece = self.piece(key, etag, size, PART)
            etag = piece.etag
            yield piece
            size += len(piece.data)
            if size >= piece.total or not piece.data:
                return

    def headers(self, key: str) -> Headers | None:
        """Content type, metadata and the like of an object; None if there is none."""
        try:
            return self._patient(lambda: self._files.headers(key))
        except FileNotFoundError:
            return None

    def folders_that_begin(self, beginning: str) -> Iterator[str]:
        """See `S3Writing.folders_that_begin`."""
        following = ""
        while True:
            after = following
            found, following = self._patient(lambda: self._files.folders_that_begin(beginning, after))  # noqa: B023 - asked at once
            yield from found
            if not following:
                return

    def keys_that_begin(self, beginning: str) -> tuple[str, ...]:
        """See `S3Writing.keys_that_begin`."""
        return self._patient(lambda: self._files.keys_that_begin(beginning))

    # -- written --------------------------------------------------------------------------------------------

    def write(self, key: str, blocks: Iterable[bytes | memoryview], headers: Headers) -> None:
        """Write an object; it is there with all its bytes or not at all, also if `blocks` raises an error."""
        pieces = in_parts(blocks)
        first = next(pieces, b"")
        second = next(pieces, None)
        if second is None:
            self._patient(lambda: self._files.put_with(key, first, headers))
            return
        with self._upload(key, headers) as upload:
            for piece in (first, second):
                upload.add(piece)
            for piece in pieces:
                upload.add(piece)

    def copy_from(self, source: StorePlace, key: str, size: int) -> None:
        """Let the store copy an object of that size from another place to the same key here, with its headers."""
        files = source._files
        if size <= _LARGEST_COPY:
            self._patient(lambda: self._files.copy(files, key))
            return
        headers = source.headers(key)
        if headers is None:
            raise FileNotFoundError(f"{source.url}: {key}")
        with self._upload(key, headers) as upload:
            for start in range(0, size, _COPIED_PART):
                upload.copy(files, range(start, min(start + _COPIED_PART, size)))

    def remove(self, key: str) -> None:
        """Remove an object, if it is there."""
        self._patient(lambda: self._files.remove(key))

    def abandon_unfinished(self) -> None:
        """See `S3Writing.abandon_unfinished`."""
        self._patient(self._files.abandon_unfinished)

    def full_key(self, key: str) -> str:
        """The key with the prefix."""
        return self._files.full_key(key)

    @contextmanager
    def _upload(self, key: str, headers: Headers) -> Iterator[_Upload]:
        upload = _Upload(self, key, self._patient(lambda: self._files.begin_with(key, headers)))
        try:
            yield upload
            self._patient(lambda: self._files.complete(key, upload.id, upload.parts, upload.size))
        except BaseException:
            try:
                self._files.abandon(key, upload.id)
            except EdmsBackupError:
                pass  # the next restore removes it
            raise

    def _patient(self, ask: Callable[[], T]) -> T:
        with in_words_of_files(self._name):
            return self._asked(ask)


class _Upload:
    """An object that is written in parts."""

    def __init__(self, place: StorePlace, key: str, upload: str) -> None:
        self._place, self._key, self.id = place, key, upload
        self.parts: list[str] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Write the next part."""
        files, number, at = self._place._files, len(self.parts) + 1, self.size
        self.parts.append(self._place._patient(lambda: files.part(self._key, self.id, number, at, data)))
        self.size += len(data)

    def copy(self, source: S3Writing, span: range) -> None:
        """Let the store copy the next part."""
        files, number = self._place._files, len(self.parts) + 1
        copied = lambda: files.copy_part(source, self._key, self.id, number, span)  # noqa: E731
        self.parts.append(self._place._patient(copied))
        self.size += len(span)


def client_for(options: Mapping[str, SecretStr], url: str, name: str) -> Any:
    """A client for the options of a root in a store. Raises SettingsError if the address or an option is not valid."""
    with in_words_of_files(name):
        return s3_client(options, url)


def place_at(client: Any, url: str, name: str) -> StorePlace:
    """The place of that address; the store is not asked yet."""
    parts = urlsplit(url)
    return StorePlace(S3Writing(client, parts.netloc, parts.path), url, name)


def tag_of(etag: str) -> int:
    """63 bits of the ETag, never 0, which would mean that the file always counts as changed."""
    return int.from_bytes(hashlib.sha256(etag.encode()).digest()[:8]) >> 1 | 1


def nanoseconds(at: datetime) -> int:
    """A time as nanoseconds since 1970."""
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


@contextmanager
def in_words_of_files(name: str) -> Iterator[None]:
    """The errors of a repository's store name its settings; these are of a root of files."""
    try:
        yield
    except EdmsBackupError as error:
        said = [
            text.replace("[repository] options", f"[files] options.{name}")
            .replace("[repository] url", f"[files] roots.{name}")
            .replace("[repository]", "[files]")
            .replace("The repository", f"The store of the files {name!r}")
            for text in (error.what, error.where, error.why, error.fix)
        ]
        kind = SettingsError if isinstance(error, SettingsError) else type(error)
        raise kind(said[0], where=said[1], why=said[2], fix=said[3]) from error
