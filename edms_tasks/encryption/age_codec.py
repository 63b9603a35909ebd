"""Objects as age files: X25519 for the key of each, ChaCha20-Poly1305 for the bytes, in pieces of 64 KiB.

Each object is encrypted to the repository's recipient, and to a key pair that exists only in the memory of the run that writes
it. So a backup can read back and compare what it wrote, on a machine that can read nothing of earlier backups, nor of this
one once the run has ended.

The specification of age: https://age-encryption.org/v1.
"""

from __future__ import annotations

import hashlib
import hmac
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence

import pyrage
from pydantic import SecretStr

from edms_tasks.encryption.codec import NotDecodable, sealed
from edms_tasks.encryption.recovery_key import RecoveryKey, new_recovery_key

_PIECE = 64 * 1024
_TAG = 16
_NONCE = 16
# Two recipients take 290 bytes; age adds a line of random length, of 150 at most, so that readers stay used to unknown ones.
_SMALLEST_HEADER, _LARGEST_HEADER = 100, 1024
_IN_MEMORY = 64 * 1024 * 1024
_BLOCK = 1024 * 1024


class AgeCodec:
    """Encrypts to the recipient of a repository, and decrypts where a key is at hand.

    Args:
        names: 64 hex digits, the key of the names of stored objects. A name tells nothing of the content to who lacks it.
        recipient: the repository's public key.
        keys: the repository's secret keys; none on a machine that only backs up.
        why_sealed: why there are none, if a recovery key is at hand that does not open the repository.
    """

    def __init__(
        self, names: SecretStr, recipient: str, keys: Sequence[RecoveryKey] = (), *, why_sealed: str = ""
    ) -> None:
        self._why_sealed = why_sealed
        of_this_run = pyrage.x25519.Identity.from_str(new_recovery_key().secret.get_secret_value())
        self._names = bytes.fromhex(names.get_secret_value())
        self._recipients = [pyrage.x25519.Recipient.from_str(recipient), of_this_run.to_public()]
        known = [pyrage.x25519.Identity.from_str(key.secret.get_secret_value()) for key in keys]
        self._identities = [*known, of_this_run]
        self.reads = bool(known)

    def stored_name(self, sha256: str) -> str:
        """HMAC-SHA-256 of the content's SHA-256."""
        return hmac.new(self._names, bytes.fromhex(sha256), hashlib.sha256).hexdigest()

    def may_hold(self, stored: int, size: int) -> bool:
        """Whether the size is that of an age file with so much content. Headers vary, so some bytes more or less may pass."""
        pieces = max(1, -(-size // _PIECE))
        return _SMALLEST_HEADER <= stored - (_NONCE + size + pieces * _TAG) <= _LARGEST_HEADER

    def encode(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The age file. It waits in memory, or on the disk from 64 MiB on, because age writes it before it is asked for it."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as encrypted:
            source = _Source(blocks)
            try:
                pyrage.encrypt_io(source, encrypted, self._recipients)
            except (pyrage.EncryptError, OSError):
                source.raise_its_error()
                raise
            encrypted.seek(0)
            while block := encrypted.read(_BLOCK):
                yield block

    def decode(self, blocks: Iterator[bytes], write: Callable[[bytes], object]) -> None:
        """Write the content. Each piece was authenticated before it is written."""
        source, target = _Source(blocks), _Target(write)
        try:
            pyrage.decrypt_io(source, target, self._identities)
        except (pyrage.DecryptError, OSError) as error:
            source.raise_its_error()
            target.raise_its_error()
            if str(error) == "No matching keys found":
                raise self._no_key() from error
            raise NotDecodable("It was altered, or is incomplete: it cannot be decrypted.") from error

    def _no_key(self) -> Exception:
        if self.reads:
            return NotDecodable("It was encrypted to another key than the repository's.")
        return sealed(why=self._why_sealed)


class _Source:
    """Blocks as a file to read, which keeps the error of its source: age would replace it with its own."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._left = memoryview(b"")
        self._error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._left:
                self._left = memoryview(next(self._blocks))
        except StopIteration:
            return b""
        except Exception as error:
            self._error = error
            raise
        taken = self._left[:size] if size >= 0 else self._left
        self._left = self._left[len(taken) :]
        return bytes(taken)

    def raise_its_error(self) -> None:
        if self._error is not None:
            raise self._error


class _Target:
    """A function as a file to write, which keeps its error likewise."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._error: Exception | None = None

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except Exception as error:
            self._error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def raise_its_error(self) -> None:
        if self._error is not None:
            raise self._error
