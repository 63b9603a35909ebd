"""The keys of a repository that are at hand on this machine, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass

from edms_tasks.encryption.codec import Codec, PlainCodec, sealed
from edms_tasks.encryption.recovery_key import RecoveryKeyFile, read_recovery_key
from edms_tasks.encryption.repository_secret import RepositorySecret
from edms_tasks.encryption.write_key import WriteKey, read_write_key
from edms_tasks.errors import AnotherRepository, DamagedRepository, RepositorySealed, SettingsError
from edms_tasks.repository.backend import Backend
from edms_tasks.repository.config import CONFIG, RepositoryConfig
from edms_tasks.repository.key_holders import OpenedSecret, read_holders
from edms_tasks.repository.signatures import Signers
from edms_tasks.settings import RepositorySettings


@dataclass(frozen=True)
class OpenedKeys:
    """The keys for one repository.

    Args:
        codec: reads and writes its objects, as far as the keys allow.
        signers: the machines whose snapshots count.
        write_key: this machine's; None if it makes no backups, or the repository has no keys.
        secret: the repository's; None if it is not encrypted, or the recovery key is not here.
        holder: the name of the holder whose key or passphrase opened it; "" if it is not open.
        recipient: what the repository's config says that objects are encrypted to; None if they are not.
        note: what somebody should know of the keys; "" for nothing.
    """

    codec: Codec
    signers: Signers
    write_key: WriteKey | None = None
    secret: RepositorySecret | None = None
    holder: str = ""
    recipient: str | None = None
    note: str = ""

    def require_readable(self, where: str) -> None:
        """Raise RepositorySealed if what others wrote cannot be read here."""
        if not self.codec.reads:
            raise sealed(where, self.note)

    def require_write_key(self, where: str, recipient: str | None) -> None:
        """Raise RepositorySealed if no snapshot can be added here.

        Args:
            where: the repository, for the message.
            recipient: what it is encrypted to now. What is encrypted to an earlier key, perhaps nobody can read any more.
        """
        if self.signers.required and self.write_key is None:
            raise RepositorySealed(
                "This machine has no write key, so it cannot add snapshots to the repository.",
                where=where,
                why="Every snapshot there is signed by the machine that made it; [repository] write_key names no file.",
                fix="Make a write key where the recovery key is: `edms-backup key writer FILE`.",
            )
        present = {key.recipient for key in self.secret.keys} if self.secret is not None else set()
        if self.write_key is not None and recipient not in present | {self.write_key.recipient}:
            raise RepositorySealed(
                "This machine's write key is of an earlier key of the repository, so it makes no backups.",
                where=where,
                why="The keys were rotated, or config.json was altered. What is encrypted to the earlier key may be lost to everybody.",
                fix="Make another write key where the recovery key is: `edms-backup key writer FILE`.",
            )


def open_keys(backend: Backend, config: RepositoryConfig, settings: RepositorySettings) -> OpenedKeys:
    """The keys that the settings name, compared with each other and with the repository.

    Raises:
        SettingsError: a key cannot be read, or is not one for this repository.
        AnotherRepository: the repository is not the one that the keys were made for.
        RepositorySealed: the recovery key or the passphrase does not open it.
    """
    write_key = read_write_key(settings.write_key) if settings.write_key is not None else None
    recovery = read_recovery_key(settings.identity) if settings.identity is not None else None
    _require_same_repository(backend, config, write_key, recovery)
    if config.recipient is None:
        own = {write_key.signer: write_key.machine} if write_key else {}
        known = {**dict.fromkeys(settings.signers, "another machine"), **own}
        required = config.signed or (write_key is not None and write_key.all_signed)
        return OpenedKeys(PlainCodec(), Signers(config.id, known, required=required), write_key)
    return _open_encrypted(backend, config, config.recipient, settings, write_key, recovery)


def _open_encrypted(
    backend: Backend,
    config: RepositoryConfig,
    recipient: str,
    settings: RepositorySettings,
    write_key: WriteKey | None,
    recovery: RecoveryKeyFile | None,
) -> OpenedKeys:
    from edms_tasks.encryption.age_codec import AgeCodec

    holder, secret, why = "", None, ""
    try:
        holder, secret = _open_secret(backend, config.id, settings, recovery)
    except (RepositorySealed, DamagedRepository) as error:
        if write_key is None:
            raise
        why = f"{error.what} {error.why}"  # a backup needs the write key alone
    own = {write_key.signer: write_key.machine} if write_key else {}
    known = {**(secret.signers if secret else {}), **own}
    signers = Signers(config.id, known, required=True, complete=secret is not None)
    if secret is not None:
        _require_same_keys(backend, recipient, secret, write_key, recovery)
        codec = AgeCodec(
            secret.names, recipient, secret.keys
        )  # `_require_same_keys`: the recipient is the repository's own
        return OpenedKeys(codec, signers, write_key, secret, holder, recipient, _outdated(write_key, recipient))
    if write_key is None:
        raise RepositorySealed(
            "The repository is encrypted, and this machine has no key for it.",
            where=backend.display,
            why=_where_it_was_sought(settings),
            fix="Name the recovery key's file in [repository] identity, or for one command in EDMS_BACKUP__REPOSITORY__IDENTITY; "
            "or a write key in write_key. `edms-backup init` finds edms-backup.recovery-key and edms-backup.write-key beside the "
            "settings file.",
        )
    assert write_key.recipient is not None and write_key.names is not None  # `_require_same_repository`
    codec = AgeCodec(write_key.names, write_key.recipient, why_sealed=why)
    return OpenedKeys(codec, signers, write_key, recipient=recipient, note=why or _outdated(write_key, recipient))


def _open_secret(
    backend: Backend, identity: str, settings: RepositorySettings, recovery: RecoveryKeyFile | None
) -> tuple[str, RepositorySecret | None]:
    if recovery is None and settings.passphrase is None:
        return "", None
    holders = read_holders(backend)
    opened = holders.open_with_keys(identity, recovery.keys) if recovery is not None else OpenedSecret()
    if opened.secret is None and settings.passphrase is not None:
        opened = holders.open_with_passphrase(identity, settings.passphrase)
    if opened.secret is not None:
        return opened.holder, opened.secret
    if opened.unusable:
        raise DamagedRepository(
            "The repository's secret is not one of this repository.",
            where=f"{backend.display}: {', '.join(opened.unusable)}",
            why="The key opens what is stored for this holder, but it was replaced, or written by another version.",
            fix="Bring keys/ back from a copy of the repository, or use the key of another holder.",
        )
    if not holders.holders:
        raise DamagedRepository(
            "The keys of the repository are gone: nobody can open it.",
            where=f"{backend.display}: keys/",
            why=f"It has no file of a holder.{' Not readable: ' + ', '.join(holders.unreadable) + '.' if holders.unreadable else ''}",
            fix="Put keys/ back, from a copy of the repository or from `copies` in the working folder of a machine that backs up.",
        )
    there = ", ".join(f"{one.name} ({one.recipient or one.kind})" for one in holders.holders)
    damaged = f" These files cannot be read: {', '.join(holders.unreadable)}." if holders.unreadable else ""
    raise RepositorySealed(
        "This recovery key does not open the repository."
        if recovery is not None
        else "This passphrase does not open the repository.",
        where=backend.display,
        why=f"It can be opened by: {there}.{damaged}"
        + (f" The public key of {recovery.path} is {recovery.keys[0].recipient}." if recovery is not None else ""),
        fix="Use the recovery key of one of these, in [repository] identity, or the right passphrase.",
    )


def _require_same_repository(
    backend: Backend, config: RepositoryConfig, write_key: WriteKey | None, recovery: RecoveryKeyFile | None
) -> None:
    """Refuse keys of another repository, and a repository that no longer is as it was when the keys were made."""
    for name, of in (
        ("write key", write_key.repository if write_key else ""),
        ("recovery key", recovery.repository if recovery else ""),
    ):
        if of and of != config.id:
            raise AnotherRepository(
                f"The {name} is that of another repository.",
                where=backend.display,
                why=f"The key is for {of}; this repository has the id {config.id}.",
                fix="Mount the right disk, fix [repository] url, or name the key of this repository.",
            )
    was_encrypted = (write_key is not None and write_key.recipient is not None) or (
        recovery is not None and recovery.repository_key
    )
    if config.recipient is None and was_encrypted:
        raise AnotherRepository(
            "The repository says that it is not encrypted, but its keys say that it is.",
            where=f"{backend.display}: {CONFIG}",
            why="Its config.json was replaced or altered. Nothing is written there, because everybody could read it.",
            fix="Find out who changed it. To use another repository, without encryption, remove write_key and identity from [repository].",
        )
    if config.recipient is not None and write_key is not None and write_key.recipient is None:
        raise SettingsError(
            "The write key is one for an unencrypted repository.",
            where=backend.display,
            why="This one is encrypted.",
            fix="Make one for it where its recovery key is: `edms-backup key writer FILE`.",
        )


def _require_same_keys(
    backend: Backend,
    recipient: str,
    secret: RepositorySecret,
    write_key: WriteKey | None,
    recovery: RecoveryKeyFile | None,
) -> None:
    """Refuse public keys that are not among those of the repository's secret: somebody else would read the backups."""
    known = {key.recipient for key in secret.keys}
    if recipient not in known:
        raise DamagedRepository(
            "The repository names a public key that is not its own.",
            where=f"{backend.display}: {CONFIG}",
            why=f"Backups would be encrypted to {recipient}, which its secret does not have: config.json was altered.",
            fix=f'Find out who changed it, and set "recipient" in it to {secret.recipient}.',
        )
    if recovery is not None and recovery.repository_key and recovery.repository_key != secret.root_key:
        raise AnotherRepository(
            "The repository is not the one that the recovery key was made for.",
            where=backend.display,
            why=f"Its root key is {secret.root_key}; the file of the recovery key names {recovery.repository_key}.",
            fix="Somebody put another repository in its place. Mount the right disk, or restore from a copy of the repository.",
        )
    if write_key is not None and write_key.recipient not in known:
        raise SettingsError(
            "The write key encrypts to a key that the repository does not have.",
            where=backend.display,
            why=f"The write key names {write_key.recipient}.",
            fix="Make another with `edms-backup key writer FILE`.",
        )


def _outdated(write_key: WriteKey | None, newest: str) -> str:
    if write_key is None or write_key.recipient == newest:
        return ""
    return (
        "This machine's write key is of an earlier key of the repository: the keys were rotated, or config.json was altered. It makes no "
        "backups until it has another: `edms-backup key writer FILE`, where the recovery key is."
    )


def _where_it_was_sought(settings: RepositorySettings) -> str:
    if settings.identity is not None:
        return f"There is no file {settings.identity}."
    return "The settings name neither a recovery key nor a write key."
