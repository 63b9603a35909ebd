"""Which objects of a damaged fixture are rows and which are only inside one, and which rows another parser than Python's reads alike."""

from __future__ import annotations

import json
import re
from typing import Any

ROW_BEGINS = re.compile(r'\{\s*"(?:model|pk|fields)"\s*:')
_SPACE = re.compile(r"\s*")
_MOST = 1000
_DECODE = json.JSONDecoder().raw_decode
_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)')
_KEYS = ('"model"', '"pk"', '"fields"')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def stands_among_rows(text: str, begin: int, at: int) -> bool:
    """Whether the object at `at`, behind damage since `begin`, is a row, and not a value in the damaged row that looks like one.

    A row stands behind a comma or at the beginning of a line, and no bracket closes behind it, or behind the rows that follow.
    """
    before = text[begin:at]
    plain = before.rstrip()
    begins_line = "\n" in before[len(plain) :] and not plain.endswith((":", "[", "{"))
    begins_array = re.search(r"\]\s*\[$", plain) is not None
    if not (plain.endswith(",") or begins_line or begins_array):
        return False
    for _ in range(_MOST):
        try:
            _, end = _DECODE(text, at)
        except (json.JSONDecodeError, RecursionError):
            return True  # cut, or damaged itself: it gives no row
        at = _behind_space(text, end)
        if text[at : at + 1] == ",":
            at = _behind_space(text, at + 1)
        elif text[at : at + 1] == "]":
            return text[(after := _behind_space(text, at + 1)) : after + 1] not in (",", "}", "]")
        if not ROW_BEGINS.match(text, at):
            return text[at : at + 1] != "}"
    return True


def clean_line(text: str) -> str | None:
    """A row's text in one line as any parser of JSON reads it; None if that cannot be.

    Python's accepts half surrogates, and NaN and Infinity, which Django writes for such floats: these become texts.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return None
    line = text.replace("\n", " ").replace("\r", " ")
    if _SURROGATE.search(line) and not _is_unicode(json.loads(line)):
        return None
    if any(line.count(key) > 1 for key in _KEYS) and _has_a_key_twice(line):
        return None
    if "NaN" in line or "Infinity" in line:
        return _without_constants(line)
    return line


def _behind_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found is not None else at


def _is_unicode(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _has_a_key_twice(line: str) -> bool:
    """Whether a key of an object stands there twice: one parser takes the first, another the last."""
    seen: list[bool] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        seen.append(len(made) != len(found))
        return made

    json.loads(line, object_pairs_hook=pairs)
    return any(seen)


def _without_constants(line: str) -> str | None:
    """The line with texts for NaN and Infinity; None if one stands inside a document, which then would be another."""
    seen: list[_Constant] = []

    def constant(_: str) -> _Constant:
        seen.append(_Constant())
        return seen[-1]

    row = json.loads(line, parse_constant=constant)
    if len(seen) != sum(isinstance(value, _Constant) for value in row["fields"].values()):
        return None
    return _CONSTANT.sub(lambda found: found[0] if found[0].startswith('"') else f'"{found[0]}"', line)


class _Constant:
    pass
