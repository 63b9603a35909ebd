"""Values of rows that databases and the EDMS's own commands quote in their messages: `Key (email)=(ada@example.org) already exists`.

Which column a quoted value is of, a message says in words of its own, if at all. So where values must not be shown, all are left out.
"""

from __future__ import annotations

import re

# A value may hold brackets, quotes and line breaks: the last end counts, and without any the text was cut within the value.
_KEY_ENDS = (
    r"\)(?= (?:already exists|is duplicated|conflicts with|is not present in|is still referenced from)\b|\.(?:\s|$))"
)
_QUOTED = (
    # PostgreSQL
    (r"(?i)(\bkey \([^=]*?\)=\()(?:.*" + _KEY_ENDS + r"|.*)", r"\g<1>…)"),
    (r"(Failing row contains \()(?:.*\)(?=\.(?:\s|$))|.*)", r"\g<1>…)"),
    (r"(COPY [^\n]*?, line \d+(?:, column [^:\n]+)?: )\"[^\n]*", r'\g<1>"…"'),
    (r"(JSON data, line \d+: )[^\n]*", r"\g<1>…"),
    (
        r"((?:invalid input|invalid hexadecimal|malformed|out of range|cannot|could not|invalid)[^\n\"“:]*: )\"[^\n]*\"",
        r'\g<1>"…"',
    ),
    (r"((?i:value|token|character|digit|label|string) )\"[^\n]*\"(?= (?:is|in|of|at)\b)", r'\g<1>"…"'),
    # DuckDB and Arrow, which read the snapshot's rows
    (r"(?i)((?:could not|failed to|unable to) (?:convert|parse|cast)[^\n'\"]*)(['\"])[^\n]*\2", r"\g<1>\g<2>…\g<2>"),
    (r"( with value )[^\n]*?(?= can't be cast)", r"\g<1>…"),
    (r"(?i)(duplicate key )\"[^\n]*\"", r'\g<1>"…"'),
    (r"(\bInput: )\"[^\n]*", r'\g<1>"…"'),
    # Django
    (r"“[^”]*”(?= (?:value|is|has)\b)", "“…”"),
    (r"(expected [^\n]{1,40}? but got )[^\n]*", r"\g<1>…"),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), instead) for pattern, instead in _QUOTED)


def without_quoted_values(text: str) -> str:
    """The message without the values of rows that it quotes; columns, constraints and tables stay.

    Example:
        >>> without_quoted_values("Key (email)=(ada@example.org) already exists.")
        'Key (email)=(…) already exists.'
    """
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text
