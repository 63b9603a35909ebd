"""Pass secret connection parameters, such as the password of a certificate's key, to programs without using their arguments.

libpq has no environment variable for them, and every user of the machine can read the arguments of a program (`ps`). It reads them
from a service file, which here is an anonymous file in memory that only this user's programs can open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from edms_tasks.databases.address import DatabaseAddress
from edms_tasks.errors import SettingsError

_SERVICE = "edms-backup"
_SECRET = ("sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret")


@dataclass(frozen=True)
class ProgramStart:
    """The arguments for starting a program: the address, its environment, and the file descriptors that it inherits."""

    address: DatabaseAddress  # without the secrets
    environment: dict[str, str]
    descriptors: tuple[int, ...]


@contextmanager
def handed_to_a_program(address: DatabaseAddress) -> Iterator[ProgramStart]:
    """Provide the secrets for programs that are started inside the block.

    Raises:
        SettingsError: a service file cannot contain one of them, or the address names a service already.
    """
    options = dict(address.options)
    secrets = {name: options.pop(name) for name in _SECRET if options.get(name)}
    if not secrets:
        yield ProgramStart(address, {}, ())
        return
    _require_possible(address, secrets)
    lines = [f"[{_SERVICE}]", *(f"{name}={value}" for name, value in secrets.items())]
    descriptor = os.memfd_create("edms-backup")
    try:
        os.fchmod(descriptor, 0o600)
        with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", closefd=False) as file:
            file.write("".join(f"{line}\n" for line in lines))
        plain = replace(address, options=tuple(sorted((options | {"service": _SERVICE}).items())))
        yield ProgramStart(plain, {"PGSERVICEFILE": f"/proc/self/fd/{descriptor}"}, (descriptor,))
    finally:
        os.close(descriptor)


def _require_possible(address: DatabaseAddress, secrets: dict[str, str]) -> None:
    names = ", ".join(secrets)
    if dict(address.options).get("service") or os.environ.get("PGSERVICE"):
        raise SettingsError(
            f"{names} cannot be passed to pg_dump and pg_restore together with a service.",
            where=address.display,
            why="They would be in the program's arguments, which every user of the machine can read.",
            fix=f"Move {names} from OPTIONS into the service's section of the service file, readable only by its owner.",
        )
    if any(value != value.strip() or "\n" in value for value in secrets.values()):
        raise SettingsError(
            f"{names} cannot be passed to pg_dump and pg_restore: it begins or ends with a space, or contains a line break.",
            where=address.display,
            fix="Give the key another password: openssl pkey -in KEY -aes256 -out NEW-KEY.",
        )
