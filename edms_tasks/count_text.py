"""A number with its noun, for people."""

from __future__ import annotations


def count_text(number: int, noun: str) -> str:
    """`1 table`, `1,234 tables`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
