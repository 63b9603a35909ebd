"""What a suspended run asks people before it goes on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AskedField:
    """One field of the form.

    Args:
        name: its key in the answer.
        title: its label.
        description: what to type.
        choices: if there are any, one of these.
        default: what it holds if nothing is typed; None: something must be.
    """

    name: str
    title: str
    description: str
    choices: tuple[str, ...] = ()
    default: str | None = None


@dataclass(frozen=True)
class Question:
    """A form.

    Args:
        key: its name within the run; a question with a key is asked once.
        explanation: one paragraph above it.
        fields: what is asked.
        seconds: how long the run waits before it fails.
    """

    key: str
    explanation: str
    fields: tuple[AskedField, ...]
    seconds: int
