"""Passwords and keys in clear in the configuration of an old backup: named, and never read out."""

from __future__ import annotations

import re

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_NAME = re.compile(
    r"""(?P<name>["']?[\w.-]*(?:SECRET|PASSWORD|PASSWD|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL|_DSN|DATABASE_URL)[\w.-]*["']?)"""
    r"""\s*[:=]\s*["']?(?P<value>[^\s"',}]+)""",
    re.IGNORECASE,
)
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_NONE = frozenset(["", "none", "null", "true", "false", "''", '""', "changeme", "[", "{"])
_EXAMPLES = 5


class ClearSecrets:
    """Collects the names of settings that hold a secret."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def look(self, file: str, text: bytes) -> None:
        """Look through a file of settings."""
        words = text.decode("utf-8", "replace")
        for found in _NAME.finditer(words):
            value = found["value"]
            # ${NAME} and os.environ name a secret, and are none.
            if value.lower() not in _NONE and not value.startswith(("$", "os.", "env(", "config(")):
                self._found.append(f"{found['name'].strip(chr(34) + chr(39))} in {file}")
        if _KEY.search(words):
            self._found.append(f"a private key in {file}")

    def findings(self) -> list[Finding]:
        """One finding, with names and without values."""
        names = list(dict.fromkeys(self._found))
        if not names:
            return []
        return [
            make_finding(
                "old-secret",
                "configuration",
                f"The old backup holds {len(names):,} secrets in clear.",
                count=len(names),
                examples=tuple(names[:_EXAMPLES]),
            )
        ]
