"""Check a snapshot's tag: a word without another meaning that can be printed on one line."""

from __future__ import annotations

import re
import unicodedata

from edms_tasks.errors import CommandError

LONGEST = 100
BEFORE_MERGE = "before-merge-of-"
"""How the tags of the safety snapshots begin that a merge makes; `merge latest` passes these over."""

_TAKEN = frozenset({"latest", "live", "all", "none"})
_LIKE_AN_ID = re.compile(r"[0-9a-f]{4,64}", re.IGNORECASE)


def check_tag(tag: str, *, by_a_merge: bool = False) -> str:
    """The tag, unchanged; raises CommandError if it has another meaning, or could not be typed again."""
    why = _objection(tag, by_a_merge)
    if why:
        raise CommandError(
            "This is not a valid tag.",
            where=repr(tag[: LONGEST + 1]),
            why=why,
            fix="Choose a word such as before-upgrade: letters, digits, dots, dashes.",
        )
    return tag


def _objection(tag: str, by_a_merge: bool) -> str:
    if not tag:
        return "It is empty."
    if len(tag) > LONGEST:
        return f"It has {len(tag)} characters; the maximum is {LONGEST}."
    if tag != " ".join(tag.split()) or any(unicodedata.category(sign)[0] in "CZ" and sign != " " for sign in tag):
        return "It contains an invisible character, or spaces at an end or in a row."
    if tag.startswith("-"):
        return "It begins like an option."
    if tag.casefold() in _TAKEN:
        return f"`{tag}` has another meaning as the name of a snapshot."
    if _LIKE_AN_ID.fullmatch(tag):
        return "It could be the first digits of a snapshot's id."
    if tag.startswith(BEFORE_MERGE) and not by_a_merge:
        return "Merges use such names for their safety snapshots, which `merge latest` skips."
    return ""
