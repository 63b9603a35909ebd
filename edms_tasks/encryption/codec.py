"""How the bytes of objects and manifests are stored: as they are, or encrypted. Names of stored objects are the codec's, too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from edms_tasks.errors import RepositorySealed


class NotDecodable(Exception):
    """Stored bytes are not what the codec writes: they are damaged, or from elsewhere. The text says why."""


def sealed(where: str = "", why: str = "") -> RepositorySealed:
    """The error for reading without a key."""
    return RepositorySealed(
        "The backups can only be read with the recovery key, which is not here.",
        where=where,
        why=why or "This machine has a write key: it can make backups, and not read them.",
        fix="Set [repository] identity to the file of the recovery key, or EDMS_BACKUP__REPOSITORY__IDENTITY for one command.",
    )


class Codec(Protocol):
    """Between plain bytes and stored ones."""

    reads: bool
    """Whether it can decode what other runs wrote. A machine that only backs up may not."""

    def stored_name(self, sha256: str) -> str:
        """The name under which content with this SHA-256 is stored: 64 hex digits."""

    def may_hold(self, stored: int, size: int) -> bool:
        """Whether a stored object of `stored` bytes can hold content of `size` bytes."""

    def encode(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The bytes to store."""

    def decode(self, blocks: Iterator[bytes], write: Callable[[bytes], object]) -> None:
        """Write the plain bytes, as they come.

        Raises:
            NotDecodable: the stored bytes are damaged; what was written until then may be incomplete, but is never wrong.
            RepositorySealed: there is no key here that opens them.
        """


class PlainCodec:
    """Bytes are stored as they are, under their SHA-256."""

    reads = True

    def stored_name(self, sha256: str) -> str:
        """The SHA-256 itself."""
        return sha256

    def may_hold(self, stored: int, size: int) -> bool:
        """Whether both sizes are the same."""
        return stored == size

    def encode(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The same bytes."""
        yield from blocks

    def decode(self, blocks: Iterator[bytes], write: Callable[[bytes], object]) -> None:
        """Write the same bytes. Whether they are the right ones, their SHA-256 tells."""
        for block in blocks:
            write(block)
