"""Which snapshot of each EDMS was last proved by a restore: `proved/<hash of the EDMS's key>.json`, signed where snapshots are.

A prune never removes it: of all snapshots it is the one that is known to come back. Whoever can only write to the storage could name
another one, so where snapshots are signed a record counts only with a signature that counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, Field, ValidationError

from edms_tasks.errors import RepositorySealed
from edms_tasks.json_text import indented_json
from edms_tasks.repository.signed_value import SignedValue
from edms_tasks.repository.store import Repository

_LARGEST = 64 * 1024


class ProvedSnapshot(SignedValue):
    """The newest snapshot of an EDMS that was restored and proved equal."""

    purpose: ClassVar[str] = "proved"

    repository: str = ""  # "": of a release that did not sign these records
    edms: str
    snapshot: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: AwareDatetime
    number: int | None = Field(default=None, ge=1)
    at: AwareDatetime
    host: str
    how: str  # "restore"


@dataclass(frozen=True)
class ProvedSnapshots:
    """What is recorded of proofs.

    Args:
        by_edms: key of an EDMS -> its newest proved snapshot.
        unreadable: names of files that are no such record.
        unsigned: names of records that do not count, because they are not signed, as in earlier releases.
        forged: names of records that do not count, because their signature is not right, or of no machine that counts.
    """

    by_edms: Mapping[str, ProvedSnapshot] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()
    unsigned: tuple[str, ...] = ()
    forged: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the records, as sentences."""
        return (
            *(f"{name}, the record of a proved snapshot, cannot be read." for name in self.unreadable),
            *(
                f"{name}, the record of a proved snapshot, was altered: its signature does not count."
                for name in self.forged
            ),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What does not count and need not be wrong, as sentences."""
        return tuple(
            f"{name}, the record of a proved snapshot, is not signed, as in earlier releases. It does not count: the next restore that "
            "proves a snapshot, on a machine with a write key, replaces it."
            for name in self.unsigned
        )


def read_proved(repository: Repository) -> ProvedSnapshots:
    """Read every record."""
    found: dict[str, ProvedSnapshot] = {}
    unreadable: list[str] = []
    unsigned: list[str] = []
    forged: list[str] = []
    for name, _ in repository.backend.names("proved"):
        try:
            proved = ProvedSnapshot.model_validate_json(repository.backend.read(name, _LARGEST))
        except FileNotFoundError:
            continue
        except ValidationError:
            unreadable.append(name)
            continue
        if name != _name(proved.edms):
            unreadable.append(name)
        elif _counts(repository, proved):
            found[proved.edms] = proved
        else:
            (forged if proved.signature else unsigned).append(name)
    return ProvedSnapshots(found, tuple(unreadable), tuple(unsigned), tuple(forged))


def write_proved(repository: Repository, proved: ProvedSnapshot) -> bool:
    """Record that a snapshot was proved, unless the record has a later one that still exists; returns whether it was written.

    Raises:
        RepositorySealed: these records must be signed, and this machine has no key to sign them. What is there stays.
    """
    key = repository.keys.write_key
    if key is None and repository.keys.signers.required:
        raise RepositorySealed(
            "This machine has no write key, so its proof would not count.",
            where=repository.display,
            why="Records are signed like snapshots; [repository] write_key names no file.",
            fix="Make it a write key where the recovery key is: `edms-backup key writer FILE`.",
        )
    before = read_proved(repository).by_edms.get(proved.edms)
    is_later = before is not None and _rank(before) > _rank(proved)
    if before is not None and is_later and repository.backend.size(f"snapshots/{before.snapshot}.json") is not None:
        return False
    signed = proved.model_copy(update={"repository": repository.identity}).signed_with(key)
    repository.backend.write(_name(proved.edms), [indented_json(signed.model_dump(mode="json"))])
    return True


def sign_proofs_again(repository: Repository, signers: Collection[str]) -> None:
    """Sign the records that these machines (public keys) signed with this machine's key, before they count no more."""
    for edms, proved in read_proved(repository).by_edms.items():
        if proved.signer in signers:
            signed = proved.signed_with(repository.keys.write_key)
            repository.backend.write(_name(edms), [indented_json(signed.model_dump(mode="json"))])


def _counts(repository: Repository, proved: ProvedSnapshot) -> bool:
    # A signature is for one repository: what another one proved says nothing of this one's objects.
    of_this = proved.repository in ({repository.identity} if proved.signature else {repository.identity, ""})
    return of_this and repository.keys.signers.accepts(proved)


def _rank(proved: ProvedSnapshot) -> tuple[int, datetime]:
    return proved.number or 0, proved.created


def _name(edms: str) -> str:
    return f"proved/{hashlib.sha256(edms.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}.json"
