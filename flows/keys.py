"""Keys of an encrypted repository: who can open it, who can write to it, and their change."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from edms_tasks.encryption.recovery_key import new_recovery_key, read_recovery_key, recovery_key_text
from edms_tasks.encryption.repository_secret import RepositorySecret
from edms_tasks.encryption.write_key import new_write_key, store_write_key
from edms_tasks.errors import CommandError
from edms_tasks.evidence.origin import Origin
from edms_tasks.repository import Repository
from edms_tasks.repository.audit_log import REVOKED
from edms_tasks.repository.encrypted_repository import store_new_file
from edms_tasks.repository.key_holders import KeyHolder
from edms_tasks.repository.keyring import RenewedHolders
from edms_tasks.repository.proved_snapshots import sign_proofs_again
from edms_tasks.settings import Settings
from flows.evidence.repository_log import LogFacts
from flows.evidence.run_end import RunEnd, conclude
from flows.running.run import Run


@dataclass(frozen=True)
class KeyList:
    """Who can open the repository, and the machines whose snapshots count."""

    repository: str
    display: str
    recipient: str | None
    holders: tuple[KeyHolder, ...]
    unreadable: tuple[str, ...]
    machines: dict[str, str]  # public signing key -> the machine's name
    opened_by: str  # the holder whose key is here; "" if the repository cannot be read from here
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "repository": self.repository,
            "encrypted": self.recipient is not None,
            "recipient": self.recipient,
            "holders": [holder.model_dump(mode="json", exclude={"secret"}) for holder in self.holders],
            "unreadable": list(self.unreadable),
            "machines": [{"signer": signer, "machine": name} for signer, name in self.machines.items()],
            "opened_by": self.opened_by,
            "note": self.note,
        }


def list_keys(settings: Settings) -> KeyList:
    """The holders of the repository, and its machines. Machines other than this one are known where the recovery key is."""
    repository = Repository.open(settings.repository)
    found = repository.keyring.holders()
    return KeyList(
        repository=repository.identity,
        display=repository.display,
        recipient=repository.keyring.recipient,
        holders=found.holders,
        unreadable=found.unreadable,
        machines=dict(repository.keys.signers.known),
        opened_by=repository.keys.holder,
        note=repository.keys.note,
    )


def make_recovery_key(path: Path) -> str:
    """Write a new recovery key to a file; returns its public key. It opens nothing until it is added."""
    key = new_recovery_key()
    store_new_file(path, recovery_key_text(key))
    return key.recipient


def add_holder(
    settings: Settings, name: str, *, recipient: str | None, passphrase: SecretStr | None, reason: str = ""
) -> KeyHolder:
    """Let another key, or a passphrase, open the repository. It needs a key that opens it already."""
    repository, _ = _opened(settings)
    with repository.lock("key add"):
        holder = repository.keyring.add(name, recipient=recipient, passphrase=passphrase)
        facts = {"holder": name, "opens": recipient or "a passphrase"}
        _evidence(repository, settings, "key-add", reason, facts).require_evidence()
        return holder


def remove_holder(settings: Settings, name: str, *, reason: str = "") -> tuple[str, ...]:
    """Take a holder's access away; returns the names of those who are left.

    Whoever has copied the repository's secret can still read what was stored until now: `rotate_key` is for that.

    Raises:
        CommandError: there is no such holder, or it is the last one.
    """
    repository, _ = _opened(settings)
    with repository.lock("key remove"):
        there = [holder.name for holder in repository.keyring.holders().holders]
        if name not in there:
            raise CommandError(
                "There is no holder of that name.",
                where=f"{repository.display}: {name}",
                why=f"There are: {', '.join(there) or 'none'}.",
                fix="`edms-backup key list` shows them.",
            )
        if there == [name]:
            raise CommandError(
                "The last holder cannot be removed.",
                where=f"{repository.display}: {name}",
                why="Nobody could open the backups any more.",
                fix="Add another first: `edms-backup key add NAME PUBLIC-KEY`.",
            )
        repository.keyring.remove(name)
        _evidence(repository, settings, "key-remove", reason, {"holder": name}).require_evidence()
        return tuple(one for one in there if one != name)


def make_write_key(
    settings: Settings, path: Path, machine: str, *, renew: bool = False, reason: str = ""
) -> RenewedHolders:
    """Write a write key for another machine, and make its signature one that counts."""
    repository, secret = _opened(settings)
    key = new_write_key(repository.identity, secret, machine)
    if path.exists():
        raise CommandError("The file exists.", where=str(path), fix="Name another file.")
    if machine in secret.signers.values() and not renew:
        raise CommandError(
            "There is a machine of that name.",
            where=machine,
            why="Its key would go on counting beside the new one.",
            fix="Choose another name with --machine; or revoke it first: `edms-backup key revoke NAME`; or --renew, to have both.",
        )
    with repository.lock("key writer"):
        # The list of machines first: a key whose snapshots do not count is of no use.
        done = repository.keyring.write_secret(secret.with_signer(key.signer, machine), _passphrases(settings))
        store_write_key(key, path)
        facts = {"machine": machine, "signer": key.signer}
        _evidence(repository, settings, "key-writer", reason, facts).require_evidence()
        return done


def revoke_machine(settings: Settings, machine: str, *, reason: str = "") -> RenewedHolders:
    """Let a machine's backups count no more from now on. Those that are there are signed anew by this machine.

    Raises:
        CommandError: no such machine, it is this one, or this one has no write key.
    """
    repository, secret = _opened(settings)
    own = repository.keys.write_key
    revoked = {signer for signer, name in secret.signers.items() if name == machine}
    if not revoked:
        raise CommandError(
            "There is no machine of that name.",
            where=f"{repository.display}: {machine}",
            why=f"There are: {', '.join(secret.signers.values()) or 'none'}.",
            fix="`edms-backup key list` shows them.",
        )
    if own is None or own.signer in revoked:
        raise CommandError(
            "A machine is revoked from another one that has a write key.",
            where=machine,
            why="The snapshots that are there have to be signed anew.",
            fix="Make a write key for this machine under another name first: `edms-backup key writer FILE --machine NAME`.",
        )
    with repository.lock("key revoke"):
        repository.sign_again(revoked)
        sign_proofs_again(repository, revoked)
        repository.records.vouch(revoked)
        # The entry first: what the machine had written before it in the log goes on counting.
        facts = {"machine": machine, "signers": sorted(revoked)}
        end = _evidence(repository, settings, REVOKED, reason, facts)
        left = {signer: name for signer, name in secret.signers.items() if signer not in revoked}
        done = repository.keyring.write_secret(replace(secret, signers=left), _passphrases(settings))
        end.require_evidence()
        return done


@dataclass(frozen=True)
class Rotation:
    """The result of a rotation: the new public key, who has its secret, and how many objects were encrypted anew."""

    recipient: str
    holders: RenewedHolders
    objects: int
    forgotten: int  # earlier keys that open nothing any more, and were removed

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "recipient": self.recipient,
            "holders": list(self.holders.written),
            "holders_left": list(self.holders.left),
            "objects": self.objects,
            "forgotten": self.forgotten,
        }


def rotate_key(
    settings: Settings, *, reencrypt: bool, passphrases: Sequence[SecretStr] = (), reason: str = ""
) -> Rotation:
    """Encrypt to a new key from now on.

    Args:
        settings: the settings.
        reencrypt: encrypt what is stored anew, too, and forget the earlier keys.
        passphrases: those of other holders, whose secret is encrypted anew with them.
        reason: why, for the log.

    Raises:
        CommandError: a holder of a passphrase would be left with a secret that opens nothing.
    """
    repository, secret = _opened(settings)
    known = (*_passphrases(settings), *passphrases)
    own = repository.keys.write_key
    with repository.lock("key rotate"):
        # Whatever would stop it half-way is looked for before anything is changed.
        if reencrypt and (left := repository.keyring.not_renewable(known)):
            raise CommandError(
                "Not every holder would be able to open the backups.",
                where=repository.display,
                why=f"The secret of {', '.join(left)} can only be renewed with the passphrase, or their file is damaged.",
                fix="Remove these holders first: `edms-backup key remove NAME`. Add them again afterwards. Nothing was changed.",
            )
        if reencrypt and own is None and repository.records.read().erasures:
            raise CommandError(
                "This machine has no write key, so the ledger of erasures could not be encrypted anew.",
                where=repository.display,
                why="Its records are signed. Nothing was changed.",
                fix="Do it on a machine that makes backups, or make a write key: `edms-backup key writer FILE`.",
            )
        if own is not None and settings.repository.write_key is not None:
            store_write_key(own, settings.repository.write_key)
        changed = secret.with_new_key()
        holders = repository.keyring.write_secret(changed, known)
        repository.keyring.encrypt_to(changed.recipient)
        if own is not None and settings.repository.write_key is not None:
            renewed = own.model_copy(update={"recipient": changed.recipient})
            store_write_key(renewed, settings.repository.write_key)
        # Opened anew: the report is the first that is encrypted to the new key.
        rewritten = Repository.open(settings.repository)
        facts = {"recipient": changed.recipient, "reencrypt": reencrypt}
        end = _evidence(rewritten, settings, "key-rotate", reason, facts)
        objects = forgotten = 0
        if reencrypt:
            objects, forgotten = rewritten.reencrypt(), len(changed.keys) - 1
            holders = rewritten.keyring.write_secret(replace(changed, keys=changed.keys[:1]), known)
        end.require_evidence()
        return Rotation(changed.recipient, holders, objects, forgotten)


def printable_key(settings: Settings) -> tuple[Path, str]:
    """The file of the recovery key, and its text, to be printed.

    Raises:
        CommandError: the settings name no recovery key, or it is not here.
    """
    path = settings.repository.identity
    found = read_recovery_key(path) if path is not None else None
    if path is None or found is None:
        raise CommandError(
            "There is no recovery key here to print.",
            where=str(path or "[repository] identity"),
            why="The file does not exist." if path else "The settings name none.",
            fix="Run this where the recovery key is, or name it: EDMS_BACKUP__REPOSITORY__IDENTITY=FILE.",
        )
    return path, path.read_text(encoding="utf-8")


def new_passphrase() -> str:
    """A random passphrase of 128 bits."""
    return "-".join(secrets.token_hex(2) for _ in range(8))


def _opened(settings: Settings) -> tuple[Repository, RepositorySecret]:
    repository = Repository.open(settings.repository)
    if not repository.is_encrypted:
        raise CommandError(
            "The repository is not encrypted, so it has no keys.",
            where=repository.display,
            fix="Make an encrypted one with `edms-backup init`, and copy the snapshots there.",
        )
    repository.require_readable()
    assert repository.keys.secret is not None  # it is readable
    return repository, repository.keys.secret


def _evidence(repository: Repository, settings: Settings, event: str, reason: str, facts: dict[str, Any]) -> RunEnd:
    run = Run(settings, origin=Origin(reason=" ".join(reason.split())))
    return conclude(run, event, "success", LogFacts(True, facts=facts), repository=repository)


def _passphrases(settings: Settings) -> tuple[SecretStr, ...]:
    return (settings.repository.passphrase,) if settings.repository.passphrase is not None else ()
