"""Render self-contained HTML pages: every value is escaped; no scripts, requests or fonts."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape
from rich import filesize

from edms_tasks.durable import keep_private
from edms_tasks.periods import in_words
from edms_tasks.report.output_files import HTML, write_output
from edms_tasks.templates import templates_in


def render(template: str, **values: Any) -> str:
    """Render a template with these values."""
    return _environment().get_template(template).render(**values)


def write_page(text: str, path: Path) -> None:
    """Write a page to the path that the user named; raises CommandError if it cannot be written there."""
    write_output(path, text.encode("utf-8", "backslashreplace"), HTML, "--html")


def keep_page(page: Path, text: str, facts: Mapping[str, Any]) -> None:
    """Write a page of evidence, and the same as JSON beside it; only the owner can read the folder."""
    page.write_text(text, encoding="utf-8", errors="backslashreplace")
    page.with_suffix(".json").write_text(
        json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8", errors="backslashreplace"
    )
    keep_private(page.parent)


@cache
def _environment() -> Environment:
    environment = templates_in(Path(__file__).parent)
    environment.filters["number"] = lambda number: "—" if number is None else f"{number:,}"
    environment.filters["bytes"] = filesize.decimal
    environment.filters["duration"] = in_words
    environment.filters["code"] = _with_code
    environment.filters["short"] = _short
    environment.filters["utc"] = lambda text: text.replace("T", " ").replace("+00:00", " UTC")
    return environment


def _with_code(text: str) -> Markup:
    """The text, escaped, with what is in backticks as code."""
    parts = enumerate(text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in parts
    )


def _short(value: object) -> object:
    """A SHA-256 as its first digits, all of them when it is pointed at; anything else as it is."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{64}", value):
        return Markup('<code title="{}">{}</code>').format(value, value[:12])
    return value
