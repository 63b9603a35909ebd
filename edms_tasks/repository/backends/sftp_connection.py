"""Sessions with an SFTP server: the server proves who it is, this machine proves who it is, and each thread has a channel.

A server whose key is not known is refused: whoever stands between would have the backups, and could put others in their place.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import paramiko
from pydantic import SecretStr

from edms_tasks.errors import EdmsBackupError, RepositoryForbidden, RepositoryUnreachable, SettingsError

OPTIONS = frozenset(
    {"username", "password", "key_file", "passphrase", "known_hosts", "host_key", "accept_unknown_host"}
)
_SECONDS = 60.0

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what goes wrong is raised, and said once


@dataclass(frozen=True)
class SftpAddress:
    """Where the server is, and how it is entered."""

    host: str
    port: int
    folder: str
    options: Mapping[str, str]

    @property
    def display(self) -> str:
        """Without secrets."""
        user = f"{self.options['username']}@" if "username" in self.options else ""
        port = f":{self.port}" if self.port != 22 else ""
        return f"sftp://{user}{self.host}{port}/{self.folder.removeprefix('/')}"


def sftp_address(url: str, options: Mapping[str, SecretStr]) -> SftpAddress:
    """The parts of sftp://USER@HOST:PORT/FOLDER, and the options."""
    parts = urlsplit(url)
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    given = {
        name.lower(): value.get_secret_value() for name, value in options.items()
    }  # the environment's are upper case
    if unknown := sorted(set(given) - OPTIONS):
        raise SettingsError(
            "The repository has an unknown option.",
            where=f"[repository] options: {unknown[0]}",
            why=f"For SFTP there are: {', '.join(sorted(OPTIONS))}.",
            fix="Remove it, or correct its spelling.",
        )
    try:
        port = parts.port or 22
    except ValueError as error:
        raise SettingsError(
            "The repository's address has no valid port.", where=shown, fix="Fix [repository] url."
        ) from error
    if not parts.hostname or not parts.path.strip("/") or parts.password is not None:
        raise SettingsError(
            "The repository's address cannot be used.",
            where=shown,
            why="It has a password; other programs may show addresses."
            if parts.password is not None
            else "It must be sftp://USER@HOST/FOLDER, or sftp://USER@HOST/~/FOLDER for one in the user's home.",
            fix="Put the password into [repository] options.password." if parts.password else "Fix [repository] url.",
        )
    if parts.username:
        given["username"] = unquote(parts.username)
    folder = unquote(parts.path).rstrip("/")
    return SftpAddress(parts.hostname, port, folder.removeprefix("/~/") if folder.startswith("/~/") else folder, given)


class SftpConnection:
    """One connection with a channel for each thread that is asking; made when it is needed, and again when it is lost."""

    def __init__(self, address: SftpAddress) -> None:
        self._address = address
        self._mutex = threading.Lock()
        self._client: paramiko.SSHClient | None = None
        self._idle: list[paramiko.SFTPClient] = []

    @contextmanager
    def channel(self) -> Iterator[paramiko.SFTPClient]:
        """A channel of this thread's own. A connection that was lost is given up; the next request makes another."""
        with self._mutex:
            client = self._client
            if client is None or (transport := client.get_transport()) is None or not transport.is_active():
                self._idle.clear()
                client = self._client = self._connected()
            channel = self._idle.pop() if self._idle else None
        try:
            if channel is None:
                channel = client.open_sftp()
                channel.get_channel().settimeout(_SECONDS)  # type: ignore[union-attr]
            yield channel
        except (EOFError, paramiko.SSHException, TimeoutError, ConnectionError) as error:
            self._give_up(client)
            raise RepositoryUnreachable(
                "The connection to the server was lost.",
                where=self._address.display,
                why=str(error) or type(error).__name__,
                fix="Check the network and the server, and run it again; what was stored is reused.",
            ) from error
        except BaseException:
            if channel is not None:
                channel.close()  # a request of it may not be answered yet
            raise
        with self._mutex:
            if self._client is client:
                self._idle.append(channel)
            else:
                channel.close()

    def _give_up(self, client: paramiko.SSHClient) -> None:
        with self._mutex:
            if self._client is client:
                self._client = None
                self._idle.clear()
        client.close()

    def _connected(self) -> paramiko.SSHClient:
        address, options = self._address, self._address.options
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_Unknown(address))
        known = _known_hosts(client, address)
        key_file = options.get("key_file")
        if key_file is not None and not Path(key_file).expanduser().is_file():
            raise SettingsError(
                "The file of the SSH key is missing.", where=key_file, fix="Fix [repository] options.key_file."
            )
        try:
            client.connect(
                address.host,
                address.port,
                username=options.get("username"),
                password=options.get("password"),
                key_filename=str(Path(key_file).expanduser()) if key_file is not None else None,
                passphrase=options.get("passphrase"),
                allow_agent=key_file is None and "password" not in options,
                look_for_keys=key_file is None and "password" not in options,
                timeout=_SECONDS / 3,
                banner_timeout=_SECONDS / 2,
                auth_timeout=_SECONDS / 2,
            )
        except (paramiko.SSHException, OSError, EOFError) as error:
            client.close()
            raise _not_connected(error, address, known) from error
        transport = client.get_transport()
        assert transport is not None
        transport.set_keepalive(20)
        return client


class _Unknown(paramiko.MissingHostKeyPolicy):
    """Refuses a server whose key is not known, unless it is told not to."""

    def __init__(self, address: SftpAddress) -> None:
        self._address = address

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Refuse it, and say how to make it known."""
        if self._address.options.get("accept_unknown_host") == "yes":
            return
        raise _UnknownHost(
            RepositoryForbidden(
                "The server's key is not known, so nothing is sent there.",
                where=self._address.display,
                why=f"It shows the key {_fingerprint(key)}, which is not in known_hosts.",
                fix="Compare the fingerprint with what the server's administrator says (`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`"
                f" there). Then: `ssh-keyscan -p {self._address.port} {self._address.host} >> ~/.ssh/known_hosts`,"
                f' or options.host_key = "{key.get_name()} {key.get_base64()}".',
            )
        )


class _UnknownHost(paramiko.SSHException):
    def __init__(self, error: EdmsBackupError) -> None:
        self.error = error
        super().__init__(error.what)


def _known_hosts(client: paramiko.SSHClient, address: SftpAddress) -> str:
    """Load the keys of known servers; returns where they are from."""
    options = address.options
    name = address.host if address.port == 22 else f"[{address.host}]:{address.port}"
    if "host_key" in options:
        kind, _, text = options["host_key"].strip().partition(" ")
        entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{name} {kind} {text}")
        if entry is None or entry.key is None:
            raise SettingsError(
                "The server's key in the settings cannot be read.",
                where="[repository] options.host_key",
                why="It must be as in a .pub file: `ssh-ed25519 AAAA…`.",
                fix="Copy it from the server: /etc/ssh/ssh_host_ed25519_key.pub.",
            )
        client.get_host_keys().add(name, kind, entry.key)
        return "[repository] options.host_key"
    path = Path(options.get("known_hosts", "~/.ssh/known_hosts")).expanduser()
    if path.is_file():
        client.load_host_keys(str(path))
    elif "known_hosts" in options:
        raise SettingsError(
            "The file of known hosts is missing.", where=str(path), fix="Fix [repository] options.known_hosts."
        )
    return str(path)


def _not_connected(error: Exception, address: SftpAddress, known: str) -> EdmsBackupError:
    where = address.display
    if isinstance(error, _UnknownHost):
        return error.error
    if isinstance(error, paramiko.BadHostKeyException):
        return RepositoryForbidden(
            "The server shows another key than the one that is known for it.",
            where=where,
            why=f"It shows {_fingerprint(error.key)}; {known} has {_fingerprint(error.expected_key)}.",
            fix="Find out why: somebody may stand between. If the server was set up anew, replace its key there.",
        )
    if isinstance(error, paramiko.PasswordRequiredException):
        return SettingsError(
            "The SSH key has a passphrase.", where=where, fix="Set [repository] options.passphrase, or use ssh-agent."
        )
    if isinstance(error, paramiko.AuthenticationException):
        user = address.options.get("username")
        return RepositoryForbidden(
            "The server does not let this user in.",
            where=where,
            why=f"{error}" + ("" if user else " No user is named, so the one of this machine was tried."),
            fix="Fix the user in [repository] url and key_file or password in options; the public key belongs into"
            " the user's ~/.ssh/authorized_keys on the server.",
        )
    if isinstance(error, socket.gaierror):
        return RepositoryUnreachable(
            "The server's name cannot be resolved.",
            where=where,
            why=error.strerror or str(error),
            fix="Check [repository] url, and the name servers of this machine.",
        )
    return RepositoryUnreachable(
        "The server does not answer.",
        where=where,
        why=str(error) or type(error).__name__,
        fix="Check [repository] url, the network, and that the SSH server runs.",
    )


def _fingerprint(key: paramiko.PKey) -> str:
    """As ssh-keygen shows it."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"SHA256:{digest} ({key.get_name()})"
