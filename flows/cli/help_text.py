"""The text of --help: options that take no value are shown without one, and what a command does is not cut off.

Typer 0.29 shows `<bool>` for the first, as if a value had to be given, and forty-five characters of the second.
"""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose flags are shown as flags."""

    def get_params(self, ctx: Any) -> Any:
        """Its options and arguments."""
        return _as_flags(super().get_params(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its first sentence, as the list of commands shows it."""
        return super().get_short_help_str(limit=1000)


class CommandGroup(TyperGroup):
    """A group of commands whose flags are shown as flags."""

    def get_params(self, ctx: Any) -> Any:
        """Its options."""
        return _as_flags(super().get_params(ctx))


def _as_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
    return params
