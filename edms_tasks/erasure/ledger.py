"""The ledger: records of the repository that say whose data was erased, encrypted like its objects.

A record is signed, names the records before it, and is never removed, so a lost one is missed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from edms_tasks.encryption.codec import NotDecodable
from edms_tasks.errors import CommandError, DamagedRepository
from edms_tasks.inventory.model import Value
from edms_tasks.lineage.known_records import known_records, remember_written
from edms_tasks.manifest import Manifest
from edms_tasks.masking.rules import Kind
from edms_tasks.repository import Repository
from edms_tasks.repository.records import record_name

_CLOCKS = timedelta(hours=1)
"""How much the clocks of two machines may differ: an erasure must not be taken for one that the snapshot knows of."""

Action = Literal["delete", "null", "protect"]
"""What becomes of a row that refers to a deleted one; `protect`: it cannot be deleted while there is such a row."""


class Erased(Value):
    """What was erased: a row, by the texts of its columns; and how.

    Args:
        edms: id of the EDMS.
        table: id of the row's table.
        label: the same for people.
        row: column -> its value as text.
        columns: column -> kind of pseudonym that it gets; none: the row is deleted.
        references: "table.reference" -> what becomes of rows that refer to a deleted one.
        withdraws: id of an entry that is no longer applied; then there is no row.
    """

    edms: str
    table: str
    label: str
    row: dict[str, str]
    columns: dict[str, Kind] = Field(default={})
    references: dict[str, Action] = Field(default={})
    withdraws: str = ""


@dataclass(frozen=True)
class Erasure:
    """An entry of the ledger."""

    id: str
    at: datetime
    by: str
    reason: str
    erased: Erased

    def may_be_in(self, manifest: Manifest) -> bool:
        """Whether a snapshot may hold what was erased."""
        return may_hold(manifest, self.at)

    @property
    def title(self) -> str:
        """What people call it: no personal data is in it."""
        return f"Erasure {self.id[:12]} of {self.at:%Y-%m-%d} ({self.reason})"


@dataclass(frozen=True)
class Ledger:
    """The erasures of an EDMS, the oldest first, and why it is not certain that these are all.

    Args:
        erasures: all of them.
        doubts: what is wrong with records of any kind.
        lost: beginnings of the ids of entries that the repository's log names, and that are not there.
        withdrawn: ids of those that are no longer applied.
    """

    erasures: tuple[Erasure, ...]
    doubts: tuple[str, ...]
    lost: tuple[str, ...] = ()
    withdrawn: frozenset[str] = frozenset()

    def before(self, manifest: Manifest) -> tuple[Erasure, ...]:
        """The erasures that a snapshot does not know of, without those in whose place later ones of the same row stand."""
        return self._last([one for one in self.erasures if one.may_be_in(manifest)])

    def deleted_before(self, manifest: Manifest) -> tuple[Erasure, ...]:
        """Erasures of whole rows that were done when the snapshot was made, so that it should not have the rows."""
        earlier = self._last([one for one in self.erasures if not one.may_be_in(manifest)])
        return tuple(one for one in earlier if not one.erased.columns)

    def _last(self, erasures: Sequence[Erasure]) -> tuple[Erasure, ...]:
        """Columns add up, a deletion takes the place of all before it, and columns that of a deletion."""
        of_row: dict[tuple[str, tuple[tuple[str, str], ...]], list[Erasure]] = {}
        for one in erasures:
            if one.id in self.withdrawn:
                continue
            row, columns = (one.erased.table, tuple(sorted(one.erased.row.items()))), one.erased.columns.keys()
            earlier = of_row.get(row, []) if columns else []
            of_row[row] = [*(found for found in earlier if found.erased.columns.keys() - columns), one]
        return tuple(sorted((one for found in of_row.values() for one in found), key=lambda one: (one.at, one.id)))


def began(manifest: Manifest) -> datetime:
    """When the backup began: its rows are as they were then."""
    return manifest.created - timedelta(seconds=sum(manifest.seconds.values()))


def may_hold(manifest: Manifest, erased: datetime) -> bool:
    """Whether a snapshot may hold what was erased at a time. A converted one may: it is what an old backup held."""
    return manifest.converted is not None or erased > began(manifest) - _CLOCKS


def require_encrypted(repository: Repository) -> None:
    """Refuse to name a person in a repository that everybody can read; raises CommandError."""
    if not repository.is_encrypted:
        raise CommandError(
            "Erasures are recorded in encrypted repositories only.",
            where=repository.display,
            why="The record stays for ever, and names whose data was erased; here everybody could read it.",
            fix="Make an encrypted repository (`edms-backup init`), and keep your list outside this one until its snapshots are pruned.",
        )


def record_erasure(repository: Repository, workdir: Path, erased: Erased, *, reason: str, by: str) -> str:
    """Record an erasure; returns its id.

    Raises:
        CommandError: the repository is not encrypted.
        RepositorySealed: this machine may not sign records.
    """
    require_encrypted(repository)
    plain = erased.model_dump_json().encode()
    body = base64.b64encode(b"".join(repository.keys.codec.encode([plain]))).decode()
    made = repository.records.write("erasure", by=by, reason=reason, body=body)
    remember_written(workdir, repository)
    return made


def read_ledger(repository: Repository, workdir: Path, edms: Sequence[str], since: datetime | None = None) -> Ledger:
    """The erasures of an EDMS, by its ids; lost ones are looked for in the log of the time `since`, or all of it.

    Raises:
        RepositorySealed: the recovery key is not here.
        DamagedRepository: an entry cannot be read.
    """
    records = repository.records.read()
    found, withdrawn = [], set()
    for record_id, record in records.erasures.items():
        erased = _opened(repository, record_id, record.body)
        if erased.withdraws:
            withdrawn.add(erased.withdraws)
        elif erased.edms in edms:
            found.append(Erasure(record_id, record.at, record.by, record.reason, erased))
    doubts = records.doubts(known_records(workdir, repository.place))
    lost = tuple(_lost(repository, records.erasures, edms, since))
    ordered = tuple(sorted(found, key=lambda one: (one.at, one.id)))
    return Ledger(ordered, doubts, lost, frozenset(withdrawn))


def _lost(repository: Repository, there: Collection[str], edms: Sequence[str], since: datetime | None) -> Iterator[str]:
    """The erasures of the log that are not in the ledger. A record names those before it, so the last one is missed only here."""
    for entry in repository.log.backwards():
        if since is not None and entry.at < since - _CLOCKS:
            return
        made = str(entry.facts.get("erasure", ""))
        ours = entry.event == "erase" and made and entry.edms in (None, *edms)
        if ours and repository.log.proves(entry) and not any(one.startswith(made) for one in there):
            yield made


def _opened(repository: Repository, record_id: str, body: str) -> Erased:
    pieces: list[bytes] = []
    try:
        repository.keys.codec.decode(iter([base64.b64decode(body, validate=True)]), pieces.append)
        return Erased.model_validate_json(b"".join(pieces))
    except (NotDecodable, ValidationError, binascii.Error) as error:
        raise DamagedRepository(
            "An entry of the erasure ledger cannot be read.",
            where=record_name(record_id),
            why=type(error).__name__,
            fix="Put it back from a copy of the repository. To restore without the ledger: --without-erasures REASON.",
        ) from None
