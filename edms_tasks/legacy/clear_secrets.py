"""Passwords and keys in clear in the configuration of an old backup: named, and never read out."""

from __future__ import annotations

import re

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

_NAME = re.compile(
    r"""(?P<name>["']?[\w.-]*(?:SECRET|PASSWORD|PASSWD|PASSPHRASE|_PASS\b|\bPASS\b|_PWD\b|\bPWD\b|_PRIV|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL|_DSN|DATABASE_URL)[\w.-]*["']?)"""
    r"""\s*[:=]\s*["']?(?P<value>[^\s"',}]+)""",
    re.IGNORECASE,
)
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_IN_ADDRESS = re.compile(r"\w+://[^\s/:@$]*:[^\s/@$]+@")
_BY_VALUE = re.compile(r"\b(?:[sr]k_live_|AKIA[0-9A-Z]{12}|gh[pousr]_\w{20}|xox[abpr]-|glpat-)")
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
        for line in words.splitlines():
            if _IN_ADDRESS.search(line) or _BY_VALUE.search(line):
                name = re.split(r"[:=]", line.strip(), maxsplit=1)[0].strip(" \t'\"")
                known = re.fullmatch(r"[\w.-]{1,60}", name) is not None
                self._found.append(f"{name if known else 'a value'} in {file}")
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
                f"The old backup holds at least {len(names):,} secrets in clear: names and forms of values that are known to be secret.",
                count=len(names),
                examples=tuple(names[:_EXAMPLES]),
            )
        ]
