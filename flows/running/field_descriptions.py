"""The descriptions of a request's fields, from which Prefect's form and the command line's help are made."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class FieldDescription:
    """The description of a field, for people."""

    text: str


def described(request: type, name: str) -> str:
    """The description of a request's field."""
    return description_in(hints_of(request)[name])


@functools.cache
def hints_of(request: type) -> dict[str, Any]:
    """The types of a request's fields, with their bounds and descriptions."""
    return get_type_hints(request, include_extras=True)


def description_in(hint: Any) -> str:
    """The description in a type hint; of nested ones the outermost."""
    if get_origin(hint) is not Annotated:
        return ""
    inner, *more = get_args(hint)
    return next((one.text for one in reversed(more) if isinstance(one, FieldDescription)), "") or description_in(inner)


def as_parameters(request: Any) -> dict[str, Any]:
    """The fields and values that a flow's run records."""
    return {one.name: getattr(request, one.name) for one in fields(request)}
