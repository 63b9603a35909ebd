"""The log of a repository: what was done with it, by whom, and how it ended. Entries are added, and never changed.

`log/<number>.json`, numbered from 1 without gaps. Each names the SHA-256 of the entry before it and is signed by the machine that
wrote it, if that has a write key. So an entry that was changed, removed or put in between shows in the next one. Only the removal
of the last entries does not: for that the number and hash of the last entry known are kept on this machine (`Witness`), and stand in
every report.
"""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import RepositoryLocked
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.opened_keys import OpenedKeys
from edms_tasks.repository.records import whoever_runs_this
from edms_tasks.repository.signed_value import SignedValue

Outcome = Literal["success", "failed", "stopped"]

_FOLDER = "log"
_LARGEST = 256 * 1024
_NAME = re.compile(r"log/([0-9]{12})\.json")
_ATTEMPTS = 20
_NOTHING = "0" * 64


class LogEntry(SignedValue):
    """One entry.

    Args:
        number: its position, from 1.
        before: SHA-256 of the file of the entry before it; 64 zeros in the first.
        at: when it was written, by the clock of the machine.
        event: what was done: backup, restore, merge, verify, rollback, prune, hold, key-rotate, …
        outcome: how it ended.
        edms: id of the EDMS; None if it concerns the repository as a whole.
        snapshot: id of the snapshot; None if there is none, or several.
        facts: what else an auditor needs, short.
        user: who did it, by the operating system.
        machine: where; the name in the write key, or the host's.
        version: of edms-backup.
    """

    purpose: ClassVar[str] = "log"

    repository: str
    number: int = Field(ge=1)
    before: str = Field(pattern=r"^[0-9a-f]{64}$")
    at: datetime
    event: str
    outcome: Outcome
    edms: str | None = None
    snapshot: str | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    user: str
    machine: str
    version: str


@dataclass(frozen=True)
class Witness:
    """The last entry that somebody has seen: its number, and the SHA-256 of its file."""

    number: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"

    @classmethod
    def parsed(cls, text: str) -> Witness:
        """The witness in a printed line; raises ValueError."""
        number, _, sha256 = text.strip().partition(":")
        if not number.isdecimal() or int(number) < 1 or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ValueError("A witness is the number of an entry, a colon, and 64 hex digits.")
        return cls(int(number), sha256)


@dataclass(frozen=True)
class CheckedLog:
    """The entries that can be read, oldest first, and everything that is wrong with the log."""

    entries: tuple[LogEntry, ...]
    problems: tuple[str, ...]
    last: Witness | None


class AuditLog:
    """The log of one repository.

    Args:
        backend: the repository's.
        identity: the repository's id.
        keys: what signs entries, and whose signatures count.
        folder: folder on this machine for the witness; None to keep none.
    """

    def __init__(self, backend: Backend, identity: str, keys: OpenedKeys, folder: Path | None) -> None:
        self._backend, self._identity, self._keys = backend, identity, keys
        # One for each place: a second copy of the repository may be behind it.
        place = hashlib.sha256(backend.display.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._witness = folder / f"log-witness-{place}.txt" if folder is not None else None
        self._breaks: dict[str, None] = {}

    def append(
        self,
        event: str,
        outcome: Outcome,
        *,
        version: str,
        edms: str | None = None,
        snapshot: str | None = None,
        facts: Mapping[str, Any] | None = None,
        after: Witness | None = None,
    ) -> Witness:
        """Add an entry; returns its number and hash. Runs that add one at the same time get one number each.

        `after`: the last entry, if it was just read; it is read again only if another run has added one since.

        Raises:
            RepositoryForbidden, RepositoryUnreachable, …: it cannot be written.
        """
        key = self._keys.write_key
        for attempt in range(_ATTEMPTS):
            last = after if after is not None and attempt == 0 else self.last()
            entry = LogEntry(
                repository=self._identity,
                number=last.number + 1 if last else 1,
                before=last.sha256 if last else _NOTHING,
                at=datetime.now(UTC),
                event=event,
                outcome=outcome,
                edms=edms,
                snapshot=snapshot,
                facts=dict(facts or {}),
                user=whoever_runs_this(),
                machine=key.machine if key else socket.gethostname(),
                version=version,
            ).signed_with(key)
            data = entry.model_dump_json(indent=1).encode() + b"\n"
            if self._backend.create(_file_of(entry.number), data):
                made = Witness(entry.number, hashlib.sha256(data).hexdigest())
                self.remember(made)
                return made
        raise RepositoryLocked(
            "The log of the repository could not be continued.",
            where=f"{self._backend.display}: {_FOLDER}",
            why=f"Other runs added {_ATTEMPTS} entries in the same moment.",
            fix="Run it again.",
        )

    def last(self) -> Witness | None:
        """The last entry that is there; None if there is none. Whether it is right, `check` tells."""
        numbers = self._numbers()
        while numbers:
            number = numbers.pop()
            try:
                return Witness(number, hashlib.sha256(self._backend.read(_file_of(number), _LARGEST)).hexdigest())
            except FileNotFoundError:
                continue  # removed after it was listed; the check finds the gap
        return None

    def backwards(self) -> Iterator[LogEntry]:
        """The entries that can be read, newest first; each is read when it is asked for, and compared with the one after it."""
        following: LogEntry | None = None
        for number in reversed(self._numbers()):
            entry, sha256 = self._entry(number)
            if following is not None and following.number == number + 1 and following.before != sha256:
                self._breaks[_does_not_follow(number + 1)] = None
            following = entry
            if entry is not None:
                yield entry

    @property
    def breaks(self) -> tuple[str, ...]:
        """A sentence for each pair of entries that `backwards` has read and that do not follow each other."""
        return tuple(self._breaks)

    def files(self, first: int) -> Iterator[tuple[int, bytes]]:
        """The files of the entries from a number on, as they are stored."""
        for number in self._numbers():
            if number >= first:
                try:
                    yield number, self._backend.read(_file_of(number), _LARGEST)
                except FileNotFoundError:
                    continue  # removed after it was listed; the check finds the gap

    def entry(self, number: int) -> LogEntry | None:
        """One entry; None if there is none, or it cannot be read."""
        return self._entry(number)[0]

    def remembered(self) -> Witness | None:
        """The last entry that this machine knows of; None if it knows of none, or what it knows cannot be read."""
        return self._known()[0]

    def _known(self) -> tuple[Witness | None, str]:
        """The last entry that this machine knows of, and why that cannot be read, or ""."""
        if self._witness is None:
            return None, ""
        try:
            return Witness.parsed(self._witness.read_text(encoding="utf-8")), ""
        except FileNotFoundError:
            return None, ""
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is damaged"
            return None, (
                f"Which entry of the log was the last cannot be read on this machine ({self._witness}: {why}), so whether later ones were "
                "removed is not known."
            )

    def remember(self, witness: Witness) -> None:
        """Keep the last entry's number and hash on this machine."""
        if self._witness is None:
            return
        known, unreadable = self._known()
        if unreadable or (known is not None and (known.number >= witness.number or self.witness_problem(known))):
            return  # a log that was shortened or written anew stays noticed
        private_folder(self._witness.parent)
        write_durably(self._witness, f"{witness}\n")

    def accept(self) -> None:
        """Take the log as it is from now on, for example in an earlier copy of the repository."""
        if self._witness is None:
            return
        self._witness.unlink(missing_ok=True)
        if (last := self.last()) is not None:
            self.remember(last)

    def witness_problem(self, witness: Witness | None = None) -> str:
        """Whether the log still has the entry that somebody has seen; the problem if not, "" if it has, or nobody has seen one.

        A gap is one, too. It lists the log and reads one entry, so a backup can afford it.
        """
        numbers = self._numbers()
        if gaps := _gaps(numbers):
            return gaps[0]
        known, unreadable = (witness, "") if witness is not None else self._known()
        if known is None:
            return unreadable
        _, sha256 = self._entry(known.number)
        if sha256 is None:
            last = numbers[-1:]
            return (
                f"The log of the repository ends with entry {last[0] if last else 0}, but entry {known.number} was seen: entries were "
                "removed, or this is an earlier copy of the repository."
            )
        if sha256 != known.sha256:
            return (
                f"Entry {known.number} of the repository's log is not the one that was seen: the log was written anew."
            )
        return ""

    def check(self, witness: Witness | None = None) -> CheckedLog:
        """Read the whole log, and compare numbers, hashes, signatures and the witness."""
        entries: list[LogEntry] = []
        problems: list[str] = []
        expected, before = 1, _NOTHING
        numbers = self._numbers()
        problems += _gaps(numbers)
        for number in numbers:
            entry, sha256 = self._entry(number)
            if entry is None or (entry.number, entry.repository) != (number, self._identity):
                problems.append(f"Entry {number} of the log cannot be read, or is of another repository.")
            else:
                if number == expected and entry.before != before:
                    problems.append(_does_not_follow(number))
                if why := self.why_unsigned(entry):
                    problems.append(f"Entry {number} of the log ({entry.event}, {entry.at:%Y-%m-%d %H:%M} UTC): {why}")
                entries.append(entry)
            expected, before = number + 1, sha256 or _NOTHING
        problems += [
            f"Entry {number} of the log says that the machine {self._keys.signers.known[signer]} was revoked, and its key is among the "
            "repository's: the keys were set back, or the run was killed. Run `edms-backup key revoke` again."
            for signer, number in self._revoked.items()
            if signer in self._keys.signers.known
        ]
        seen_here, unreadable = self._known()
        problems += [unreadable] if unreadable else []
        for seen in filter(None, (seen_here, witness)):
            if (problem := self.witness_problem(seen)) and problem not in problems:
                problems.append(problem)
        return CheckedLog(tuple(entries), tuple(problems), Witness(expected - 1, before) if expected > 1 else None)

    def why_unsigned(self, entry: LogEntry, *, must: bool = False) -> str:
        """Why an entry's signature does not count; "" if it does, or it needs none. `must`: it needs one, whatever it says."""
        signers = self._keys.signers
        if not entry.signer and must:
            return "it is not signed."
        if not entry.signer:
            # A machine that only restores has no key to sign with. What is written must be signed.
            writes = entry.event not in UNSIGNED_EVENTS and entry.outcome == "success"
            return "it is not signed." if signers.required and writes else ""
        if not entry.is_rightly_signed:
            return "its signature is not right: it was changed."
        revoked = self._revoked.get(entry.signer)
        if revoked is not None:
            # Also if the key is among the repository's again: whoever can write to the storage can put it back.
            return (
                f"it is signed with a key that entry {revoked} of the log revokes." if entry.number >= revoked else ""
            )
        if signers.complete and signers.known and entry.signer not in signers.known:
            return f"it is signed with the key {entry.signer}, which is none of those this repository knows."
        return ""

    def proves(self, entry: LogEntry) -> bool:
        """Whether an entry counts as proof of what it says: where machines sign, whoever can write to the storage adds unsigned ones."""
        own = self._keys.write_key
        if own is not None and entry.signer == own.signer and own.signer in self._keys.signers.known:
            return (
                entry.is_rightly_signed
            )  # of itself a machine knows it without the whole log, which says who was revoked
        return not self.why_unsigned(entry, must=self._keys.signers.required)

    @cached_property
    def _revoked(self) -> dict[str, int]:
        """Public key of a machine that counts no more -> the entry that says so. What it had written before goes on counting."""
        entries = [entry for entry in self.backwards() if entry.event == REVOKED and entry.is_rightly_signed]
        counted = {*self._keys.signers.known}  # also machines that were revoked later: at that time they counted
        for entry in entries:
            counted |= set(_revoked_by(entry)) if entry.signer in counted else set()
        found: dict[str, int] = {}
        for entry in reversed(entries):  # a machine that was revoked revokes nobody, though its key was put back
            if entry.signer in counted and entry.signer not in found:
                for one in _revoked_by(entry):
                    found.setdefault(one, entry.number)
        return found

    def _numbers(self) -> list[int]:
        found = [_NAME.fullmatch(name) for name, _ in self._backend.names(_FOLDER)]
        return sorted(int(match.group(1)) for match in found if match)

    def _entry(self, number: int) -> tuple[LogEntry | None, str | None]:
        """An entry, and the SHA-256 of its file; None for what is not there or cannot be read."""
        try:
            data = self._backend.read(_file_of(number), _LARGEST)
        except FileNotFoundError:
            return None, None
        try:
            entry = LogEntry.model_validate_json(data)
        except ValidationError:
            entry = None
        return entry, hashlib.sha256(data).hexdigest()


REVOKED = "key-revoke"
"""The event that a machine counts no more; `signers` of its facts are its public keys."""

UNSIGNED_EVENTS = frozenset({"restore", "verify", "merge", "rollback", "drill"})
"""What a machine without a write key may do: none of it changes the repository."""


def _revoked_by(entry: LogEntry) -> list[str]:
    named = entry.facts.get("signers")
    return [str(one) for one in named] if isinstance(named, list) else []


def _does_not_follow(number: int) -> str:
    return f"Entry {number} of the log does not follow the one before it: one of them was changed."


def _gaps(numbers: Sequence[int]) -> list[str]:
    """A sentence for each gap in the sorted numbers of entries."""
    found = []
    for before, number in pairwise((0, *numbers)):
        if number == before + 2:
            found.append(
                f"Entry {before + 1} of the repository's log is missing, although later ones are there: it was removed."
            )
        elif number > before + 2:
            found.append(
                f"Entries {before + 1} to {number - 1} of the repository's log are missing, although later ones are there: "
                "they were removed."
            )
    return found


def _file_of(number: int) -> str:
    return f"{_FOLDER}/{number:012d}.json"
