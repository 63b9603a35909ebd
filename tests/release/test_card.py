"""The emergency card is one page of A4 with room to write, and loads nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from release import card

weasyprint = pytest.importorskip("weasyprint", exc_type=OSError, reason="the system has no Pango")


def test_it_is_one_page_of_a4_with_its_last_words() -> None:
    (page,) = weasyprint.HTML(string=card.card()).render().pages

    assert (round(page.width * 25.4 / 96), round(page.height * 25.4 / 96)) == (210, 297)
    assert "Printed on" in card.PAGE.read_text(encoding="utf-8").splitlines()[-1]


def test_a_longer_one_would_be_noticed(tmp_path: Path) -> None:
    longer = tmp_path / "card.md"
    longer.write_text(card.PAGE.read_text(encoding="utf-8") + "\n- one line more\n" * 30, encoding="utf-8")

    assert len(weasyprint.HTML(string=card.card(longer)).render().pages) == 2


def test_it_has_all_that_the_page_has_and_loads_nothing(tmp_path: Path) -> None:
    card.write_card(tmp_path / "card.html")
    html = (tmp_path / "card.html").read_text(encoding="utf-8")

    assert not re.search(r"src=|<link|@import|url\(", html)
    source = card.PAGE.read_text(encoding="utf-8")
    assert html.count("<tr>") == len(re.findall(r"^\|(?!-)", source, re.M))
    assert html.count("<pre>") == source.count("```") // 2


def test_it_is_written_as_pdf(tmp_path: Path) -> None:
    card.write_card(tmp_path / "card.pdf")

    assert (tmp_path / "card.pdf").read_bytes().startswith(b"%PDF-")
