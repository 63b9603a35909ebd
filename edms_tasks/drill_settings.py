"""The settings' `[drill]`: how a restored copy is tried, and the targets that it is measured against."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath

from pydantic import Field, field_validator

from edms_tasks.periods import EXACT
from edms_tasks.soft_reference_settings import Section

Command = str | tuple[str, ...]
"""A program and its arguments, as a list, or in one text that is split as a shell would split it."""


def words_of(command: Command) -> tuple[str, ...]:
    """The words of a command; raises ValueError if there is none, or a quotation mark is not closed."""
    words = tuple(shlex.split(command)) if isinstance(command, str) else command
    if not words or not words[0].strip():
        raise ValueError("A command needs at least one word.")
    return words


class DrillSettings(Section):
    """How `edms-backup drill` tries a restored copy."""

    commands: tuple[Command, ...] = Field(
        default=(),
        description="Commands of the EDMS that must succeed on the copy: management commands, `SCRIPT.py`, or `-c PROGRAM`.",
    )
    timeout: int = Field(default=600, ge=1, le=86_400, description="Seconds that one of these commands may take.")
    rto: str | None = Field(
        default=None,
        pattern=EXACT,
        description="How long a restore and these commands may take: 90s, 45min, 4h, 1d. A drill that takes longer fails.",
    )
    rpo: str | None = Field(
        default=None,
        pattern=EXACT,
        description="How old the newest snapshot may be, and how far two may be apart: 26h. Otherwise a drill fails.",
    )
    folder: Path | None = Field(
        default=None,
        description="Folder in which the copy's files are restored for the time of a drill; default: workdir.",
    )
    folder_in_edms: str | None = Field(
        default=None,
        description="That folder as an EDMS in a container or on another machine sees it.",
    )

    @field_validator("commands")
    @classmethod
    def _have_words(cls, commands: tuple[Command, ...]) -> tuple[Command, ...]:
        for command in commands:
            _require_command(words_of(command))
        return commands


def _require_command(words: tuple[str, ...]) -> None:
    """Refuse `python manage.py` alone: Django would print its help, and nothing would be tried."""
    named = list(words)
    while named and re.fullmatch(r"(python[0-9.]*|manage\.py)", PurePosixPath(named[0]).name):
        named.pop(0)
    if not named:
        raise ValueError(f"{' '.join(words)!r} names no command; an example is manage.py check")
    if named == ["-c"]:
        raise ValueError("-c needs a program after it")
