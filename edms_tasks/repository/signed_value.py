"""What a machine signs: snapshots, entries of the log, records. All are signed in the same way, each for its own purpose."""

from __future__ import annotations

import json
from typing import ClassVar, Self

from edms_tasks.encryption.signing import is_signed, sign
from edms_tasks.encryption.write_key import WriteKey
from edms_tasks.inventory.model import Value


class SignedValue(Value):
    """A value with the public key of the machine that signed it, and the signature.

    What is signed is the purpose, and the JSON of all keys but `signature`: sorted, without white space.
    """

    purpose: ClassVar[str]
    """Part of what is signed, so that a signature of one thing does not count for another."""

    signer: str = ""
    signature: str = ""

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        said = self.model_dump(mode="json", exclude={"signature"})
        return (
            f"edms-backup/{self.purpose}\n".encode() + json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        )

    def signed_with(self, key: WriteKey | None) -> Self:
        """The same with the key's signature; unsigned if this machine has no key."""
        if key is None:
            return self
        named = self.model_copy(update={"signer": key.signer})
        return named.model_copy(update={"signature": sign(key.signing_key, named.message)})

    @property
    def is_rightly_signed(self) -> bool:
        """Whether the signature is the signer's, on this very value. Whether the signer counts, others decide."""
        return is_signed(self.signer, self.signature, self.message)
