"""Files that GnuPG encrypted, decrypted by its program with the keys of this user."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edms_tasks.errors import ToolMissing, UnreadableBackup
from edms_tasks.legacy.source import Source
from edms_tasks.programs.run_program import run_program

_SECONDS = 6 * 3600
_LINES = 4
_ARMOUR = b"-----BEGIN PGP MESSAGE-----"
# Packets that a message begins with (RFC 4880, 4.3): session keys, encrypted data, compressed data.
_PACKETS = frozenset([1, 3, 9, 18, 20])


def is_encrypted(source: Source) -> bool:
    """Whether a file is a message of GnuPG, by its name and its first byte."""
    head = source.head
    if head.startswith(_ARMOUR):
        return True
    if not head or not source.path.name.lower().endswith((".gpg", ".pgp")) or not head[0] & 0x80:
        return False
    return (head[0] & 0x3F if head[0] & 0x40 else (head[0] & 0x3C) >> 2) in _PACKETS


def decrypted(source: Source, folder: Path) -> Source:
    """The file's contents, in a file of its inner name in `folder`.

    Raises:
        ToolMissing: gpg is not installed.
        UnreadableBackup: no key of this user decrypts it, or it is damaged.
    """
    program = shutil.which("gpg") or shutil.which("gpg2")
    if program is None:
        raise ToolMissing(
            "gpg is not installed, and the backup is encrypted with it.",
            where=source.path.name,
            fix="Install GnuPG.",
        )
    path = folder / source.path.with_suffix("").name
    path.unlink(missing_ok=True)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "GNUPGHOME", "USER")}
    words = [program, "--batch", "--no-tty", "--yes", "--output", str(path), "--decrypt", str(source.path)]
    ended = run_program(words, environment=kept | {"LC_ALL": "C"}, seconds=_SECONDS)
    if not ended.success or not path.is_file():
        path.unlink(missing_ok=True)
        said = [line for line in ended.stderr.splitlines() if line.strip()][-_LINES:]
        raise UnreadableBackup(
            "The backup is encrypted with GnuPG, and could not be decrypted.",
            where=source.path.name,
            why=" ".join(said) or f"gpg ended with code {ended.returncode}",
            fix="Import the secret key for the user who runs edms-backup (gpg --import KEY-FILE; another key ring: GNUPGHOME), with its "
            "passphrase in gpg-agent. Or decrypt it by hand, and convert the result: gpg --output FILE --decrypt "
            "FILE.gpg",
        )
    path.chmod(0o600)
    return Source(path)
