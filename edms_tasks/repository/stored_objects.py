"""The objects of a repository: immutable content, named in manifests by its SHA-256, stored as the codec says.

Whatever is read is compared with size and SHA-256 before anybody sees it, encrypted or not.
"""

from __future__ import annotations

import errno
import hashlib
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from edms_tasks.encryption.codec import Codec, NotDecodable, PlainCodec, sealed
from edms_tasks.errors import DamagedRepository, NoSpace, RepositoryForbidden, TerminalError
from edms_tasks.manifest import ObjectRef
from edms_tasks.repository.backend import BLOCK, Backend
from edms_tasks.repository.object_copies import ObjectCopies

_IN_MEMORY = 256 * 1024 * 1024
_HEX64 = re.compile(r"[0-9a-f]{64}")


class StoredObjects:
    """Objects on a backend.

    Args:
        backend: the repository's.
        codec: how they are stored.
        copies: folder on this machine for copies of the objects that the next backup needs, if the repository is elsewhere or
            cannot be read; None for none.
        folder: the folder in the repository.
    """

    def __init__(self, backend: Backend, codec: Codec, copies: Path | None = None, folder: str = "objects") -> None:
        self._backend = backend
        self._codec = codec
        self._folder = folder
        useful = backend.local_folder is None or not isinstance(codec, PlainCodec)
        self._copies = ObjectCopies(copies) if copies is not None and useful else None
        self._trusted: Collection[str] = frozenset()
        self._own: set[str] = set()
        self._distrusted: set[str] = set()
        self.written: set[str] = set()  # SHA-256s of what this run wrote

    @property
    def distrusted(self) -> frozenset[str]:
        """The names of the objects that are taken as missing."""
        return frozenset(self._distrusted)

    def distrust(self, names: Collection[str]) -> None:
        """Take objects (by their names in the repository) as missing, until they are written again: they were found damaged."""
        self._distrusted = set(names)

    def trust(self, objects: Collection[str]) -> None:
        """Take these objects (SHA-256s) as they are if they cannot be read here; for those of the previous snapshot."""
        self._trusted = objects

    def read_for_evidence(self) -> None:
        """From here on read from the repository alone what can be read there: no copy proves anything."""
        self._own.clear()
        if self._codec.reads:
            self._trusted = frozenset()

    def stored_name(self, ref: ObjectRef) -> str:
        """The name of the file that holds the object."""
        # `ObjectRef` validates this as well; a name is checked once more where it becomes a path.
        if not _HEX64.fullmatch(ref.sha256):
            raise DamagedRepository(
                "This is not the name of an object.", where=ref.sha256[:80], why="Not 64 hex digits."
            )
        stored = self._codec.stored_name(ref.sha256)
        return f"{self._folder}/{stored[:2]}/{stored}"

    def put_file(self, path: Path, *, keep_copy: bool = False) -> ObjectRef:
        """Store a file's bytes; what is there already is not written again.

        On a local file system an object that is already there is read and compared, and rewritten where it is damaged. Elsewhere
        its size is trusted: `verify` reads every object, and `replace` fixes what it finds. Without a key to read it, only an object
        of the previous snapshot is taken as it is.

        Args:
            path: the file.
            keep_copy: keep a copy on this machine, if the next backup may not be able to read the object.
        """
        ref = _ref_of(_blocks_of(path))
        if not self._is_stored(ref):
            self.replace(ref, path)
        if keep_copy and self._copies is not None:
            self._copies.keep(ref, path)
            self._own.add(ref.sha256)
        return ref

    def put_bytes(self, *data: bytes) -> ObjectRef:
        """Store the bytes of these pieces as one object; see `put_file`."""
        ref = _ref_of(data)
        if not self._is_stored(ref):
            self._write(ref, data)
        return ref

    def put_new(self, data: bytes) -> ObjectRef:
        """Store bytes that are certainly not there yet."""
        ref = _ref_of([data])
        self._write(ref, [data])
        return ref

    def replace(self, ref: ObjectRef, path: Path) -> None:
        """Write an object again from a file with its bytes, and replace the present file of that name."""
        blocks = _Checked(ref, lambda why: _source_changed(path, why)).passing(_blocks_of(path))
        self._write(ref, blocks)

    def _write(self, ref: ObjectRef, blocks: Iterable[bytes]) -> None:
        self._backend.write(self.stored_name(ref), self._codec.encode(blocks))
        self.written.add(ref.sha256)
        self._distrusted.discard(self.stored_name(ref))

    def write_again(self, ref: ObjectRef) -> None:
        """Write an object again from what is stored, as for another key. It is replaced only when all of it was read and is right."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as plain:
            self._deliver(ref, plain.write)
            plain.seek(0)
            self._backend.write(self.stored_name(ref), self._codec.encode(iter(lambda: plain.read(BLOCK), b"")))

    def read(self, ref: ObjectRef) -> bytes:
        """The object's bytes, verified."""
        pieces: list[bytes] = []
        self._deliver(ref, pieces.append)
        return b"".join(pieces)

    def fetch(self, ref: ObjectRef, path: Path) -> None:
        """Write the object's bytes to `path`, which appears only when they are all there and verified."""
        partial = path.with_name(path.name + ".part")
        try:
            with partial.open("wb") as file:
                self._deliver(ref, file.write)
            partial.replace(path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise _cannot_write(path, error) from error
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    def has(self, ref: ObjectRef) -> bool:
        """Whether an object of that content exists, by name and size; its bytes are not read."""
        if self.stored_name(ref) in self._distrusted:
            return False
        try:
            stored = self._backend.size_when_listed(self.stored_name(ref))
        except RepositoryForbidden:
            if self._codec.reads:
                raise
            return ref.sha256 in self._trusted or ref.sha256 in self._own  # it could not be read either
        return stored is not None and self._codec.may_hold(stored, ref.size)

    def may_be(self, ref: ObjectRef, stored: int) -> bool:
        """Whether a file of `stored` bytes can be the object."""
        return self._codec.may_hold(stored, ref.size)

    def check(self, ref: ObjectRef) -> None:
        """Read the object and compare it with its SHA-256; raises DamagedRepository."""
        self._deliver(ref, lambda block: None)

    def _is_stored(self, ref: ObjectRef) -> bool:
        if not self.has(ref):
            return False
        if not self._codec.reads:
            return ref.sha256 in self._trusted
        if self._backend.local_folder is None:
            return True
        try:
            self.check(ref)
        except DamagedRepository:
            return False  # the caller has the right bytes and writes them again
        return True

    def _deliver(self, ref: ObjectRef, write: Callable[[bytes], object]) -> None:
        """Write the object's bytes, compared with its size and SHA-256 to the end."""
        name = self.stored_name(ref)

        def damaged(why: str) -> DamagedRepository:
            of = "" if name.endswith(ref.sha256) else f", with the content {ref.sha256}"
            return DamagedRepository(
                "An object of the repository is damaged.",
                where=f"{self._backend.display}: {name}{of}",
                why=why,
                fix="Run `edms-backup verify` to see which snapshots use it, and restore another one.",
            )

        checked = _Checked(ref, damaged)
        decode = self._codec.decode
        try:
            if (copy := self._copy_of(ref)) is not None:
                blocks, decode = copy, PlainCodec().decode
            else:
                stored, blocks = self._opened(name)
                if not self._codec.may_hold(stored, ref.size):
                    raise damaged(f"It has {stored} bytes, the snapshot says {ref.size}.")
            decode(blocks, lambda block: write(checked.seen(block)))
        except FileNotFoundError as error:
            raise damaged("It is missing.") from error
        except NotDecodable as error:
            raise damaged(str(error)) from error
        checked.require_whole()

    def _opened(self, name: str) -> tuple[int, Iterator[bytes]]:
        try:
            return self._backend.opened(name)
        except RepositoryForbidden as error:
            if self._codec.reads:
                raise
            raise sealed(self._backend.display) from error  # it could not be decrypted either

    def _copy_of(self, ref: ObjectRef) -> Iterator[bytes] | None:
        """This machine's copy of an object of this run or the previous snapshot, if it is there in the repository; None to read that."""
        if self._copies is None or (ref.sha256 not in self._trusted and ref.sha256 not in self._own):
            return None
        if self._codec.reads and self._backend.local_folder is not None:
            return None
        return self._copies.blocks(ref) if self.has(ref) and self._copies.has(ref) else None


class _Checked:
    """Bytes on their way, which must have the size and the SHA-256 of an object; raises what `damaged` makes if not."""

    def __init__(self, ref: ObjectRef, damaged: Callable[[str], Exception]) -> None:
        self._ref, self._damaged = ref, damaged
        self._digest, self._size = hashlib.sha256(), 0

    def passing(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The blocks, and the error at their end."""
        for block in blocks:
            yield self.seen(block)
        self.require_whole()

    def seen(self, block: bytes) -> bytes:
        """The next block."""
        self._size += len(block)
        if self._size > self._ref.size:
            raise self._damaged(f"It has more than the {self._ref.size} bytes the snapshot says.")
        self._digest.update(block)
        return block

    def require_whole(self) -> None:
        """All blocks have come."""
        if self._size != self._ref.size:
            raise self._damaged(f"It ends after {self._size} of {self._ref.size} bytes.")
        if self._digest.hexdigest() != self._ref.sha256:
            raise self._damaged("Its content does not match its SHA-256.")


def _blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _ref_of(blocks: Iterable[bytes]) -> ObjectRef:
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return ObjectRef(sha256=digest.hexdigest(), size=size)


def _source_changed(path: Path, why: str) -> TerminalError:
    return TerminalError("A file changed while it was being stored.", where=str(path), why=why, fix="Run it again.")


def _cannot_write(path: Path, error: OSError) -> TerminalError:
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else TerminalError
    return kind(
        "A file of the snapshot cannot be written.",
        where=str(path),
        why=error.strerror or str(error),
        fix="Free some space on that disk." if kind is NoSpace else "Check that the folder exists and can be written.",
    )
