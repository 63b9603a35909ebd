"""The text of --help: options that take no value are shown without one, arguments without Python's types, and what a command does is
not cut off.

Typer 0.29 shows `<bool>` for the first, as if a value had to be given, `FILE <str>` for the second, and forty-five characters of the third.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose flags are shown as flags."""

    def get_params(self, ctx: Any) -> Any:
        """Its options and arguments."""
        return _readable(super().get_params(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its first sentence, as the list of commands shows it."""
        return super().get_short_help_str(limit=1000)


class CommandGroup(TyperGroup):
    """A group of commands whose flags are shown as flags."""

    def get_params(self, ctx: Any) -> Any:
        """Its options."""
        return _readable(super().get_params(ctx))


def _without_type(get_help_record: Callable[[Any], tuple[str, str] | None], ctx: Any) -> tuple[str, str] | None:
    record = get_help_record(ctx)
    return record and (record[0].partition(" <")[0], record[1])


def _readable(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False) and param.metavar is None:
            param.metavar = ""
        if param.param_type_name == "argument":
            param.get_help_record = partial(_without_type, param.get_help_record)
    return params
