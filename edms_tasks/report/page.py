"""Rendering: every value is hostile until escaped, and a page stands alone (no script, no request, no font)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich import filesize

from edms_tasks.errors import TerminalError


def render(template: str, **values: Any) -> str:
    """The page of that template."""
    return _environment().get_template(template).render(**values)


def write_page(text: str, path: Path) -> None:
    """Write a page where a person wants it; raises TerminalError where it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise TerminalError(
            "The page cannot be written.",
            where=str(path),
            why=error.strerror or str(error),
            fix="Name another --html FILE.",
        ) from error


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda number: "—" if number is None else f"{number:,}"
    environment.filters["bytes"] = filesize.decimal
    environment.filters["moment"] = lambda text: text.replace("T", " ").replace("+00:00", " UTC")
    return environment
