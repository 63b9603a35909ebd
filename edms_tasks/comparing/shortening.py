"""Shorten two values for display such that their first difference remains visible."""

from __future__ import annotations

LONGEST = 80
_CONTEXT = 20


def shortened(before: str | None, after: str | None) -> tuple[str | None, str | None]:
    """Both values, cut to `LONGEST` characters each; a long common beginning is left out.

    Long values that are equal are the beginnings of longer ones that differ; a note says so. Short equal values are
    replacements such as "(not shown)", and stay as they are.
    """
    start = 0
    if before is not None and after is not None and max(len(before), len(after)) > LONGEST:
        alike = _alike(before, after)
        start = max(0, alike - _CONTEXT)
    old, new = _cut(before, start), _cut(after, start)
    if before is not None and before == after and len(before) > LONGEST:
        return old, f"{new} (differs further on)"
    return old, new


def _alike(one: str, other: str) -> int:
    """The length of the common beginning."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _cut(text: str | None, start: int) -> str | None:
    if text is None:
        return None
    kept = ("…" if start else "") + text[start:]
    return kept if len(kept) <= LONGEST else kept[: LONGEST - 1] + "…"
