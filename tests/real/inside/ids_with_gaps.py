"""Rows whose ids have gaps, as in a system that is in use. Runs in the system's own Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def with_gaps(make: Callable[[int], Any], count: int) -> list[Any]:
    """Make a third more than wanted and delete every fourth; at least `count` stay."""
    made = [make(number) for number in range(1, count + count // 3 + 1)]
    kept = []
    for position, one in enumerate(made):
        if position % 4 == 1 and len(made) - position + len(kept) > count:
            one.delete()
        else:
            kept.append(one)
    return kept
