"""Markdown for Prefect's artifacts. Names of tables, files and databases are foreign text: they are escaped, never rendered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from edms_tasks.evidence.body import Body, Paragraph
from flows.running.printable import printable

_SPECIAL = re.compile(r"[\\`*_{}\[\]()|~!#:@$^=]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LIST_MARK = re.compile(r"^([-+]|\d+\.)")
_SHOWN = 50


def plain(text: object) -> str:
    """The text on one line, with everything escaped that Markdown or HTML would take for markup or for a link."""
    line = printable(str(text).replace("\r\n", "\n").replace("\n", " ⏎ ")).strip()
    line = "".join(_ENTITIES.get(character, character) for character in line)
    line = _SPECIAL.sub(lambda found: "\\" + found.group(), line)
    line = re.sub(r"(?i)\bwww\.", lambda found: found.group()[:-1] + r"\.", line)
    return _LIST_MARK.sub(lambda found: found.group()[:-1] + "\\" + found.group()[-1], line)


def bullets(lines: Sequence[object], shown: int = _SHOWN) -> str:
    """A list of escaped lines; "" if there are none."""
    text = "".join(f"- {plain(line)}\n" for line in lines[:shown])
    return text + (f"- … and {len(lines) - shown:,} more\n" if len(lines) > shown else "")


def fact_list(pairs: Iterable[tuple[str, object]]) -> str:
    """A list of names with their values, without those that are empty."""
    return "".join(f"- **{name}:** {plain(value)}\n" for name, value in pairs if value not in ("", None))


def page(heading: str, *parts: str | tuple[str, str]) -> str:
    """A heading and the parts below it; a pair is a subheading and its text, left out if the text is empty."""
    texts = [f"# {plain(heading)}"]
    for part in parts:
        if isinstance(part, str):
            texts += [part] if part else []
        elif part[1]:
            texts.append(f"## {plain(part[0])}\n\n{part[1]}")
    return "\n\n".join(text.strip("\n") for text in texts) + "\n"


def markdown_of(body: Body) -> str:
    """The body of a run's evidence, without its tables."""
    findings = [f"{one.severity}: {one.subject}: {one.message} ({one.count:,})" for one in body.findings]
    return page(
        body.heading,
        f"{body.plain}\n" if body.plain else "",
        fact_list(body.facts),
        *((section.title, _text_of(section)) for section in body.sections),
        ("Findings", bullets(findings)),
    )


def _text_of(section: Paragraph) -> str:
    text = section.text.format(*map(plain, section.values))
    return f"{text}\n" if text else bullets(section.lines)
