"""Passwords and keys in clear in the configuration of an old backup: named, and never read out."""

from __future__ import annotations

import re

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding

# Possessive, and only from the beginning of a word: a file of one long word is looked through once, not once for each letter.
_SETTING = re.compile(
    r"""(?<![\w.-])(?P<name>[\w.-]++)["']?[ \t]*+[:=][ \t]*+(?P<value>"[^"]*"?|'[^']*'?|\$\{[^}]*\}?\S*|\S*)"""
)
_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|_PASS\b|\bPASS\b|_PWD\b|\bPWD\b|_PRIV|TOKEN|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY|CREDENTIAL|_DSN"
    r"|DATABASE_URL",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"\$[A-Z_][A-Z0-9_]*|\$\{\w+\}|\$\{\w+:?[-=]\}|\$\{\w+:?[?+][^}]*\}|\$\(.*|os\.\S*|\w*(?:env|config)\(.*", re.DOTALL
)
"""What names a secret that is somewhere else, and is none itself."""
_DEFAULT = re.compile(
    r"""\$\{\w+:?[-=](?P<shell>[^}]+)\}|,[ \t]*(?:default[ \t]*=[ \t]*)?(?P<quote>["'])(?P<code>.+?)(?P=quote)"""
)
"""What such a reference falls back on: a secret in clear after all."""
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_IN_ADDRESS = re.compile(r"(?<!\w)\w++://[^\s/:@]*+:(?P<value>[^\s/@]+)@")
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
        for line in words.splitlines():
            for found in _SETTING.finditer(line):
                if _SECRET_NAME.search(found["name"]) and _is_in_clear(found["value"], line[found.end() :]):
                    self._found.append(f"{found['name']} in {file}")
            addresses = _IN_ADDRESS.finditer(line)
            if any(_is_in_clear(one["value"], "") for one in addresses) or _BY_VALUE.search(line):
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


def _is_in_clear(written: str, rest: str) -> bool:
    """Whether a value is a secret: not empty, and no reference to one without a default.

    Args:
        written: the value as it stands in the file.
        rest: what follows it on its line.
    """
    quoted = written[:1] in ("'", '"')
    value = written.strip("\"'") if quoted else written.rstrip(",;)]" if "{" in written else ",;)}]")
    if value.lower() in _NONE:
        return False
    default = _DEFAULT.search(written + rest)
    if default is not None and (written.startswith("${") or _REFERENCE.match(written)):
        return (default["shell"] or default["code"]).lower() not in _NONE
    return _REFERENCE.fullmatch(value) is None
