"""Rows whose ids have gaps, as in a system that is in use. Runs in the system's own Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def with_gaps(make: Callable[[int], Any], count: int, first: int = 1) -> list[Any]:
    """Make a third more than wanted, numbered from `first`, and delete every fourth; at least `count` stay."""
    made = [make(number) for number in range(first, first + count + count // 3)]
    kept = []
    for position, one in enumerate(made):
        if position % 4 == 1 and len(made) - position + len(kept) > count:
            one.delete()
        else:
            kept.append(one)
    return kept
