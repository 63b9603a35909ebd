"""`doctor --write`: which suggestions go into the settings file, by name or by a question for each."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from flows.cli.options import Options, command_error

if TYPE_CHECKING:
    from edms_tasks.doctor import Suggestion

ALL = "all"


def require_answers(options: Options) -> None:
    """Raise CommandError if nobody can be asked."""
    if options.as_json or not sys.stdin.isatty():
        raise command_error(
            "doctor --write asks for each suggestion, and nobody can answer here.",
            "Name the suggestions, or `all`: doctor --write all. `doctor --json` lists their names.",
        )


def write_suggestions(config: Path, suggestions: Sequence[Suggestion], names: Sequence[str]) -> tuple[Suggestion, ...]:
    """Write the suggestions that were named, or confirmed one by one, into the settings file; returns them.

    Raises:
        CommandError: there is no suggestion with such a name; nothing was written.
        SettingsError: the file cannot be changed.
    """
    from edms_tasks.doctor.settings_file import add_to_settings

    chosen = _named(suggestions, names) if names else _confirmed(suggestions)
    if chosen:
        add_to_settings(config, [one.settings_fix for one in chosen])
    return chosen


def _named(suggestions: Sequence[Suggestion], names: Sequence[str]) -> tuple[Suggestion, ...]:
    known = {name for one in suggestions for name in (one.name, one.subject)}
    for name in names:
        if name != ALL and name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            raise command_error(
                f"doctor suggests nothing for {name!r}. Nothing was written.",
                f"Did you mean `{close[0]}`?" if close else "`doctor --json` lists the names of its suggestions.",
            )
    return tuple(one for one in suggestions if ALL in names or {one.name, one.subject} & set(names))


def _confirmed(suggestions: Sequence[Suggestion]) -> tuple[Suggestion, ...]:
    from edms_tasks.doctor import settings_text
    from flows.running.printable import printable

    chosen = []
    for number, one in enumerate(suggestions, start=1):
        lines = [*one.why.splitlines(), *(f"  {text}" for text in settings_text([one.settings_fix]).splitlines())]
        typer.echo("\n".join(["", f"{number} of {len(suggestions)}", *map(printable, lines)]), err=True)
        try:
            if typer.confirm("Write it?", err=True):
                chosen.append(one)
        except typer.Abort:  # Ctrl-C: nothing is written
            raise typer.Exit(130) from None
    return tuple(chosen)
