"""Strangers' text in Prefect's artifacts: shown as it is, whatever a Markdown reader makes of it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from markdown_it import MarkdownIt

from flows.running.markdown import bullets, fact_list, page, plain

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "<http://evil.example>",
    "a | b | c",
    "line\n# heading\n- item",
    "line\n\n```\ncode",
    "`code` **bold** _it_ ~~gone~~",
    "1. first",
    "- item",
    "+ item",
    "# heading",
    "> quote",
    "&lt;b&gt; &amp; &#60;",
    "back\\slash\\",
    "[ref]: http://evil.example",
    "---",
    "===",
    "a\r\nb",
    "\x1b[31mred\x07",
    "\u202egnp.exe",
    "$x^2$",
    "2026. was a year",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", ["alone", "in a list", "as a value", "in a heading"])
def test_a_strangers_text_is_shown_and_never_rendered(text: str, place: str) -> None:
    written = {
        "alone": plain(text),
        "in a list": bullets([text]),
        "as a value": fact_list([("Name", text)]),
        "in a heading": page(text),
    }[place]

    html = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(written)

    allowed = {"alone": {"p"}, "in a list": {"ul", "li"}, "as a value": {"ul", "li", "strong"}, "in a heading": {"h1"}}
    assert set(re.findall(r"<(\w+)", html)) == allowed[place], html
    shown = unescape(re.sub(r"<[^>]+>", "", html)).strip().removeprefix("Name: ")
    assert shown == as_shown(text)


@pytest.mark.parametrize(
    "text", ["http://evil.example/x", "https://evil.example", "www.evil.example", "a@evil.example"]
)
def test_no_address_becomes_a_link_by_itself(text: str) -> None:
    written = plain(text)

    # What GitHub's dialect makes links of: a scheme, www. or an address, uninterrupted.
    assert not re.search(r"https?:|www\.|\w@\w", written)


def test_long_lists_are_cut_and_say_so() -> None:
    assert bullets(list(range(60)), shown=2) == "- 0\n- 1\n- … and 58 more\n"


def as_shown(text: str) -> str:
    """The same on one line, control characters spelled out."""
    line = re.sub(r"\r?\n", " ⏎ ", text)
    return re.sub(r"[\x00-\x1f]", lambda found: f"\\x{ord(found.group()):02x}", line).replace("\u202e", "\\u202e")
